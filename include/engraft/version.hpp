#pragma once

/// The version of the headers, for `#if`. The build reads it from here, so it stands only once.
#define ENGRAFT_VERSION_MAJOR 0
#define ENGRAFT_VERSION_MINOR 1
#define ENGRAFT_VERSION_PATCH 0

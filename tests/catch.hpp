#pragma once

// The only file that includes Catch2, so that version 2 (one header) and version 3 (many) both serve.
// Write `Approx` without a namespace (as in version 2) and `Catch::Matchers::ContainsSubstring` (as in version 3).
#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>
#ifdef CATCH_CONFIG_MAIN
#include <catch2/catch_session.hpp>
#endif

using Catch::Approx;
#else
#include <catch2/catch.hpp>

namespace Catch::Matchers {
inline auto ContainsSubstring(std::string const& part) { return Contains(part); }
} // namespace Catch::Matchers
#endif

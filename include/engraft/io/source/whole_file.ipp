#pragma once

#include <filesystem>
#include <fstream>
#include <ios>
#include <string_view>
#include <system_error>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/whole_file.hpp>

namespace engraft {

ENGRAFT_BODY void write_whole_file(std::filesystem::path const& path, std::string_view bytes) {
    auto unfinished = path;
    unfinished += ".part";
    std::error_code failed;
    {
        std::ofstream out(unfinished, std::ios::binary);
        out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        out.close();
        if (!out) {
            std::filesystem::remove(unfinished, failed);
            throw bad_input({"cannot write ", unfinished.string(), "; is the folder there, and is there space?"});
        }
    }
    std::filesystem::rename(unfinished, path, failed);
    if (failed) {
        auto const reason = failed.message();
        std::filesystem::remove(unfinished, failed);
        throw bad_input({"cannot rename ", unfinished.string(), " to ", path.string(), ": ", reason});
    }
}

} // namespace engraft

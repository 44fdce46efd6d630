#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <utf8proc.h>

#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/normalization.hpp>

namespace engraft {

ENGRAFT_BODY std::string nfc(std::string_view text) {
    struct freed {
        void operator()(utf8proc_uint8_t* p) const { std::free(p); }
    };
    utf8proc_uint8_t* made = nullptr;
    auto const size =
        utf8proc_map(reinterpret_cast<utf8proc_uint8_t const*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                     &made, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    std::unique_ptr<utf8proc_uint8_t, freed> const owner(made);
    if (size == UTF8PROC_ERROR_NOMEM)
        throw std::bad_alloc();
    if (size < 0)
        throw bad_input({"the text can't be brought into Unicode's normalization form C: ", utf8proc_errmsg(size)});
    return {reinterpret_cast<char const*>(made), static_cast<std::size_t>(size)};
}

} // namespace engraft

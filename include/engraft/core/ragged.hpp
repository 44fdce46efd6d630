#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/core/integer.hpp>

namespace engraft {

/// Rows of examples of unequal length, one example after the other; there is no padding row anywhere.
/// Example i has length(i) rows, at begin(i) and behind; position p of it is row begin(i) + p.
class ragged {
public:
    ragged() = default;

    /// throws bad_input when there is no example or an example has no position
    explicit ragged(std::vector<std::size_t> const& lengths) {
        if (lengths.empty())
            throw bad_input("an empty batch: there is no example to run");
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            if (lengths[i] == 0)
                throw bad_input({"example ", i, " of the batch has no tokens"});
            begins_.push_back(begins_.back() + lengths[i]);
        }
    }

    std::size_t examples() const { return begins_.size() - 1; }
    std::size_t rows() const { return begins_.back(); }
    std::size_t begin(std::size_t example) const { return begins_[example]; }
    std::size_t length(std::size_t example) const { return begins_[example + 1] - begins_[example]; }

    std::size_t longest() const {
        std::size_t n = 0;
        for (std::size_t i = 0; i < examples(); ++i)
            n = n < length(i) ? length(i) : n;
        return n;
    }

    /// Position p of an example, counted from its end when negative (-1 is the last).
    /// throws bad_position when the example does not have it, bad_input when there is no such example
    std::size_t position(integer example, integer p) const {
        if (example.value() < 0 || static_cast<std::size_t>(example.value()) >= examples())
            throw bad_input({"engraft [where.example]: example ", example.value(), " was asked for; the batch has ",
                             examples(), ", numbered from 0"});
        auto const n = static_cast<long long>(length(static_cast<std::size_t>(example.value())));
        auto const from_begin = p.value() < 0 ? p.value() + n : p.value();
        if (from_begin < 0 || from_begin >= n)
            throw bad_position({"engraft [where.position]: example ", example.value(), " has ", n,
                                " positions, and position ", p.value(), " is not one of them"});
        return static_cast<std::size_t>(from_begin);
    }

    friend bool operator==(ragged const&, ragged const&) = default;

private:
    std::vector<std::size_t> begins_{0};
};

} // namespace engraft

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <engraft/core/hash.hpp>

namespace engraft {

/// Where long work keeps what it has finished, piece by piece, so that a program which is stopped goes on where it was.
/// `journal_file` (io/journal_file.hpp) keeps it in a file; this is what the work knows of it. Records are bytes that
/// mean something to the work only, and each belongs to one piece of work, which has a number.
class journal {
public:
    virtual ~journal() = default;

    /// What earlier programs, or this one, have finished of that work, in the order in which it was added. Valid until
    /// the next `add`.
    virtual std::vector<std::span<std::byte const>> finished(std::uint64_t work) const = 0;

    /// Adds a record. When this returns, the record is kept even if the program is killed.
    virtual void add(std::uint64_t work, std::span<std::byte const> record) = 0;
};

/// What a journal keeps of one part of larger work, whose other parts would have the same numbers.
class journal_part : public journal {
public:
    journal_part(journal& all, std::uint64_t part) : all_(all), part_(part) {}

    std::vector<std::span<std::byte const>> finished(std::uint64_t work) const override {
        return all_.finished(number(work));
    }
    void add(std::uint64_t work, std::span<std::byte const> record) override { all_.add(number(work), record); }

private:
    std::uint64_t number(std::uint64_t work) const { return hasher().add(work).add(part_).value(); }

    journal& all_;
    std::uint64_t part_;
};

} // namespace engraft

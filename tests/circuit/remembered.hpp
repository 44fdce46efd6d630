#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include <engraft/core/journal.hpp>

/// Keeps records as long as the test runs.
struct remembered : engraft::journal {
    std::map<std::uint64_t, std::vector<std::vector<std::byte>>> records;

    std::vector<std::span<std::byte const>> finished(std::uint64_t work) const override {
        std::vector<std::span<std::byte const>> all;
        if (auto const at = records.find(work); at != records.end())
            all.assign(at->second.begin(), at->second.end());
        return all;
    }
    void add(std::uint64_t work, std::span<std::byte const> record) override {
        records[work].emplace_back(record.begin(), record.end());
    }
    std::size_t size() const {
        std::size_t n = 0;
        for (auto const& [work, list] : records)
            n += list.size();
        return n;
    }
};

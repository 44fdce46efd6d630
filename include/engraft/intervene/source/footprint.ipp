#pragma once

#include <bitset>
#include <cstddef>

#include <engraft/core/hash.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/intervene/footprint.hpp>
#include <engraft/intervene/policy.hpp>
#include <engraft/intervene/selection.hpp>

namespace engraft {

ENGRAFT_BODY void footprint::add_to(hasher& h) const {
    h.add(records_.size());
    for (auto const& r : records_) {
        h.add(r.site).add(r.how).add(r.replaces).add(r.heads).add(r.more.values);
        r.chosen.add_to(h);
    }
}

ENGRAFT_BODY std::size_t footprint::bytes() const {
    std::size_t sum = 0;
    for (auto const& r : records_)
        sum += sizeof(r) + r.chosen.bytes();
    return sum;
}

} // namespace engraft

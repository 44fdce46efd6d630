#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <engraft/intervene/footprint.hpp>
#include <engraft/intervene/hooks.hpp>

namespace engraft::detail {

/// The policies of a sweep's entries, whatever their type.
template <description const& D, class B>
class entry_policies {
public:
    explicit entry_policies(site_set touched) : touched_(touched) {}
    virtual ~entry_policies() = default;

    virtual std::size_t size() const = 0;
    /// Where an entry's policy acts. throws as `resolve`
    virtual footprint footprint_of(std::size_t entry, ragged const& rows) const = 0;
    /// An entry's policy made ready for a run. throws as `bind_all`
    virtual hooks<B> bind(std::size_t entry, binding<D, B> const& run) const = 0;

    /// By the policies' type.
    bool touch(int site) const { return touched_.has(site); }

private:
    site_set touched_;
};

template <class P>
constexpr site_set touched_by = facts_of<P>().touched;
template <class... P>
constexpr site_set touched_by<composed<P...>> = (site_set() | ... | facts_of<P>().touched);

template <description const& D, class B, class Policy>
class typed_entries final : public entry_policies<D, B> {
public:
    explicit typed_entries(std::vector<Policy> policies)
        : entry_policies<D, B>(touched_by<Policy>), policies_(std::move(policies)) {}

    std::size_t size() const override { return policies_.size(); }
    footprint footprint_of(std::size_t entry, ragged const& rows) const override {
        return engraft::footprint_of<D>(policies_[entry], rows);
    }
    hooks<B> bind(std::size_t entry, binding<D, B> const& run) const override {
        return bind_all(policies_[entry], run);
    }

private:
    std::vector<Policy> policies_;
};

} // namespace engraft::detail

#pragma once

#include <engraft/backend/adapted.hpp>
#include <engraft/backend/adjoint.hpp>

namespace engraft {

/// An adapted model backwards: through its base's matrix, and through the adapter's two.
template <differentiable Base>
class adjoints<adapted<Base>> : public adjoints<Base> {
public:
    using value_type = typename Base::value_type;

    explicit adjoints(adapted<Base> const& b) : adjoints<Base>(b), base_(b) {}

    void linear(matrix<value_type> dx, matrix<value_type const> dy, adapted_map<Base> const& map, bool add) const {
        adjoints<Base>::linear(dx, dy, *map.base, add);
        if (map.rank == 0)
            return;
        table low(extents<dynamic, dynamic>(dy.rows, map.rank));
        adjoints<Base>::linear(as_matrix(low), dy, map.up, false);
        adjoints<Base>::linear(dx, as_matrix(std::as_const(low)), map.down, true);
    }

    void linear_part(matrix<value_type> dx, matrix<value_type const> dy, adapted_map<Base> const& map,
                     std::size_t first) const {
        adjoints<Base>::linear_part(dx, dy, *map.base, first);
        if (map.rank == 0)
            return;
        table low(extents<dynamic, dynamic>(dy.rows, map.rank));
        adjoints<Base>::linear_part(as_matrix(low), dy, map.up, first);
        adjoints<Base>::linear(dx, as_matrix(std::as_const(low)), map.down, true);
    }

    void head_results(matrix<value_type> dx, matrix<value_type const> dy, adapted_map<Base> const& map,
                      std::size_t heads) const {
        adjoints<Base>::head_results(dx, dy, *map.base, heads);
        if (map.rank == 0)
            return;
        table low(extents<dynamic, dynamic>(dy.rows * heads, map.rank)); // [rows, heads, rank] to head_results
        auto const wide = dy.columns / heads;
        adjoints<Base>::linear(as_matrix(low), {dy.data, dy.rows * heads, wide, wide}, map.up, false);
        table added(extents<dynamic, dynamic>(dx.rows, dx.columns));
        adjoints<Base>::head_results(as_matrix(added), {low.data(), dy.rows, heads * map.rank, heads * map.rank},
                                     map.down, heads);
        base_.add(dx, as_matrix(std::as_const(added)));
    }

private:
    using table = matrix_tensor<value_type, typename Base::memory_type>;
    Base base_;
};

} // namespace engraft

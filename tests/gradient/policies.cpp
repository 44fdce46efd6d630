// Gradients through policies: with respect to their parameters, and to sites under them.

#include "gradient/checks.hpp"

namespace {

inline constexpr eg::description small{
    .name = "small", .layers = 2, .d_model = 12, .heads = 4, .kv_heads = 2, .d_head = 4, .d_mlp = 10, .vocab = 19};

using checks::numbers;

checks::reading const what{eg::log_probability({3, 1, 4}), {-1, 0, -2}, {1, 0.5, 2}};
auto const prompts = checks::prompts_of(3, small.vocab, {6, 1, 5});
auto const other_prompts = checks::prompts_of(4, small.vocab, {6, 1, 5});

/// The gradient of each policy's parameters, one list behind the other.
template <class Found, std::size_t... I>
numbers joined(Found const& found, std::index_sequence<I...>) {
    numbers all;
    auto const add = [&](auto const& list) {
        if constexpr (requires { list.front().front(); }) // of all_of
            for (auto const& one : list)
                all.insert(all.end(), one.begin(), one.end());
        else
            all.insert(all.end(), list.begin(), list.end());
    };
    (add(found.template parameters<I>()), ...);
    return all;
}

/// policy_of(model, numbers): with these parameters, in the order of `joined`. Gradients with respect to them, and to
/// every site, against differences, and the cpu's against the reference's.
template <std::size_t Count, class PolicyOf>
void check_policies(PolicyOf const& policy_of, numbers const& at) {
    auto const exact = checks::random_model<small, eg::reference>(5);
    auto const fast = checks::random_model<small, eg::cpu<eg::fp32>>(5, eg::cpu<eg::fp32>(2));
    auto const gradients = [&](auto const& model, auto const& policy) {
        auto const found = checks::gradient_everywhere<small>(model, prompts, policy, what);
        auto all = checks::all_of_them<small>(found, checks::sites_of<small>{});
        all["parameters"] = joined(found, std::make_index_sequence<Count>{});
        return all;
    };
    auto const of_exact = policy_of(exact);
    auto all = gradients(exact, of_exact(at));
    checks::check_close(gradients(fast, policy_of(fast)(at)), all);
    auto const found = all.extract("parameters").mapped();
    REQUIRE(found.size() == at.size());
    for (std::size_t i = 0; i < at.size(); ++i)
        checks::check_same(found[i], checks::central_difference([&](double step) {
                               auto moved = at;
                               moved[i] += step;
                               return checks::value_of<small>(exact, prompts, of_exact(moved), what);
                           }),
                           "parameter " + std::to_string(i));
    checks::check_every_site<small>(exact, prompts, of_exact(at), what, all);
}

/// Squares every element.
struct square {
    template <class T>
    void operator()(eg::activation_row<T> row) const {
        for (auto& x : row)
            x *= x;
    }
    template <class T>
    void derivative(eg::activation_row<T> gradient, eg::activation_row<T const> before) const {
        for (std::size_t i = 0; i < gradient.size(); ++i)
            gradient[i] *= 2 * before[i];
    }
};

} // namespace

TEST_CASE("gradients through a mask at sites of every shape, in blocks and outside") {
    using namespace eg::sites;
    using all = eg::site_list<embed, resid_pre, k, rot_q, scores, pattern, result, mlp_post, final_normalized, logits>;
    auto const policy_of = [](auto const& model) {
        auto const source = model.run(other_prompts, checks::capture_of(all{}));
        return [source](numbers const& weights) {
            std::size_t i = 0;
            auto const mask = [&](auto s) { return eg::mask(s, eg::everywhere, {weights[i++]}, source); };
            return [&]<eg::site... S>(eg::site_list<S...>) {
                std::tuple const each{mask(S{})...}; // in this order
                return std::apply([](auto... one) { return (eg::identity | ... | one); }, each);
            }
            (all{});
        };
    };
    numbers weights;
    for (int i = 0; i < all::size; ++i)
        weights.push_back(0.75 + 0.01 * i);
    check_policies<std::size_t(all::size)>(policy_of, weights);
}

TEST_CASE("gradients through every policy that has a derivative") {
    eg::role const last{"last", {-1, 0, -1}, {}};
    auto const policy_of = [&](auto const& model) {
        auto const source = model.run(other_prompts, eg::capture(eg::z, eg::v, eg::mlp_post, eg::attn_out, eg::rot_k));
        auto const clean = model.run(prompts, eg::capture(eg::z));
        auto const means = eg::mean(source, eg::attn_out);
        return [=](numbers const& p) {
            auto const part = [&](std::size_t first, std::size_t count) {
                return numbers(p.begin() + long(first), p.begin() + long(first + count));
            };
            auto const positive = [](auto row) { return row[0] > 0; };
            std::vector const each{eg::mask(eg::rot_k, eg::layer(0), part(2, 2), source),
                                   eg::mask(eg::rot_k, eg::layer(1), part(4, 2), source)};
            return eg::mask(eg::z, eg::nodes({{1, 2}, {0, 1}}).at(last), part(0, 2), source) | eg::all_of(each) |
                   eg::mask(eg::mlp_post, eg::layer(1) & eg::at(last), part(6, 10), source) |
                   eg::steer(eg::resid_mid, eg::layer(0) & eg::at(last), part(16, 12), 0.5) |
                   eg::steer(eg::q, eg::layer(1), part(28, 4)) | eg::steer(eg::q, eg::layer(0), part(32, 16), -1) |
                   eg::scale(eg::k, eg::everywhere, p[48]) |
                   eg::scale(eg::resid_post, eg::layer(0) & eg::when(positive), p[49]) |
                   eg::scale(eg::pattern, eg::layer(1), p[50]) | eg::scale(eg::result, eg::nodes({{0, 3}}), p[51]) |
                   eg::ablate(eg::mlp_out, eg::layer(0) & eg::at(0), p[52]) |
                   eg::ablate(eg::attn_out, eg::layer(1) & eg::at(0), means) |
                   eg::ablate(eg::v, eg::kv_nodes({{0, 0}}) & eg::examples({2}), eg::resample{source, 3}) |
                   eg::patch(eg::v, eg::kv_nodes({{1, 1}}).at(last), source) |
                   eg::swap(eg::z, eg::nodes({{1, 0}}).at(last), source) |
                   eg::freeze(eg::z, eg::nodes({{0, 0}}), clean) |
                   eg::knockout(eg::layer(1) & eg::examples({0, 2}), eg::at(-1), eg::at(0)) |
                   eg::edit(eg::mlp_gate, eg::layer(0), square{});
        };
    };
    auto const at = checks::some_numbers(7, 53, 0.4);
    check_policies<18>(policy_of, at);
}

TEST_CASE("the gradient with respect to a basis, along its rotations") {
    auto const model = checks::random_model<small, eg::reference>(8);
    auto const source = model.run(other_prompts, eg::capture(eg::resid_pre));
    auto const policy = [&](std::vector<numbers> basis) {
        return eg::subspace(eg::resid_pre, eg::layer(1), std::move(basis), source);
    };
    std::vector<numbers> basis{numbers(12), numbers(12)};
    for (std::size_t i = 0; i < 12; ++i) {
        basis[0][i] = (i % 2 ? 1 : -1) / std::sqrt(12.0);
        basis[1][i] = 1 / std::sqrt(12.0);
    }
    numbers other(12); // orthogonal to both
    other[0] = other[1] = 0.5, other[2] = other[3] = -0.5;
    auto const found = checks::gradient_everywhere<small>(model, prompts, policy(basis), what);
    for (std::size_t turned : {0u, 1u}) {
        double ours = 0;
        for (std::size_t i = 0; i < 12; ++i)
            ours += found.parameters()[turned * 12 + i] * other[i];
        checks::check_same(ours, checks::central_difference([&](double angle) {
                               auto moved = basis;
                               for (std::size_t i = 0; i < 12; ++i)
                                   moved[turned][i] = std::cos(angle) * basis[turned][i] + std::sin(angle) * other[i];
                               return checks::value_of<small>(model, prompts, policy(moved), what);
                           }),
                           "basis vector");
    }
    checks::check_every_site<small>(model, prompts, policy(basis), what,
                                    checks::all_of_them<small>(found, checks::sites_of<small>{}));
}

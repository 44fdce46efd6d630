#pragma once

#include <algorithm>
#include <compare>
#include <string>
#include <vector>

#include <engraft/circuit/edges.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/model/description.hpp>
#include <engraft/run/table.hpp>

namespace engraft {

ENGRAFT_BODY std::string name_of(edge_sender const& from) {
    if (from == edge_sender::input())
        return "input";
    return std::to_string(from.layer) + "." +
           (from.head == edge_sender::mlp ? std::string("mlp") : std::to_string(from.head));
}

ENGRAFT_BODY std::string name_of(edge const& e) {
    auto const layer = [](int l) { return std::to_string(l) + "."; };
    auto const from = name_of(e.from);
    switch (e.to.input) {
    case edge_input::unembedding:
        return from + " -> logits";
    case edge_input::mlp:
        return from + " -> " + layer(e.to.layer) + "mlp";
    default:
        return from + " -> " + layer(e.to.layer) + "qkv"[static_cast<int>(e.to.input)] + std::to_string(e.to.head);
    }
}

ENGRAFT_BODY std::vector<edge_sender> edge_senders(description const& d, input_edges input) {
    std::vector<edge_sender> all;
    if (input == input_edges::included)
        all.push_back(edge_sender::input());
    for (int l = 0; l < d.layers; ++l) {
        for (int h = 0; h < d.heads; ++h)
            all.push_back({l, h});
        if (d.mlp != mlp::none)
            all.push_back({l, edge_sender::mlp});
    }
    return all;
}

ENGRAFT_BODY std::vector<edge_receiver> edge_receivers(description const& d) {
    std::vector<edge_receiver> all;
    for (int l = 0; l < d.layers; ++l) {
        for (int h = 0; h < d.heads; ++h)
            all.push_back({l, edge_input::query, h});
        for (auto const input : {edge_input::key, edge_input::value})
            for (int h = 0; h < d.kv_heads; ++h)
                all.push_back({l, input, h});
        if (d.mlp != mlp::none)
            all.push_back({l, edge_input::mlp, 0});
    }
    all.push_back({d.layers, edge_input::unembedding, 0});
    return all;
}

} // namespace engraft

namespace engraft::detail {

ENGRAFT_BODY void require_edge(description const& d, edge const& e, input_edges input) {
    if (e.from == edge_sender::input() && input == input_edges::left_out)
        throw bad_input({"engraft [edge.input]: the edge ", name_of(e), " comes from the token embeddings, which are ",
                         "exchanged only beside a noise run that captured embed; take such edges out of the list, or ",
                         "add embed to the captures of the noise run"});
    auto const senders = edge_senders(d, input);
    auto const receivers = edge_receivers(d);
    if (std::ranges::find(senders, e.from) == senders.end() || std::ranges::find(receivers, e.to) == receivers.end() ||
        !reaches(d, e.from, e.to))
        throw bad_input({"engraft [edge.exists]: there is no edge ", name_of(e), " in this model: an edge goes from a ",
                         "head or an MLP to what reads the stream behind it"});
}

} // namespace engraft::detail

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

ENGRAFT_BODY std::string name_of(edge const& e) {
    auto const layer = [](int l) { return std::to_string(l) + "."; };
    auto const from = e.from.head == edge_sender::embedding ? std::string("embed")
                      : e.from.head == edge_sender::mlp     ? layer(e.from.layer) + "mlp"
                                                            : layer(e.from.layer) + std::to_string(e.from.head);
    switch (e.to.input) {
    case edge_input::unembedding:
        return from + " -> logits";
    case edge_input::mlp:
        return from + " -> " + layer(e.to.layer) + "mlp";
    default:
        return from + " -> " + layer(e.to.layer) + "qkv"[static_cast<int>(e.to.input)] + std::to_string(e.to.head);
    }
}

ENGRAFT_BODY std::vector<edge_sender> edge_senders(description const& d) {
    std::vector<edge_sender> all;
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

ENGRAFT_BODY void require_edge(description const& d, edge const& e) {
    auto senders = edge_senders(d);
    senders.push_back({0, edge_sender::embedding});
    auto const receivers = edge_receivers(d);
    if (std::ranges::find(senders, e.from) == senders.end() || std::ranges::find(receivers, e.to) == receivers.end() ||
        !reaches(d, e.from, e.to))
        throw bad_input({"engraft [edge.exists]: there is no edge ", name_of(e), " in this model: an edge goes from a ",
                         "head, an MLP or the embedding to what reads the stream behind it"});
}

} // namespace engraft::detail

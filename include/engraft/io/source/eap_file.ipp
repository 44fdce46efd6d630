#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include <engraft/circuit/eap_graph.hpp>
#include <engraft/core/error.hpp>
#include <engraft/core/linkage.hpp>
#include <engraft/io/eap_file.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/mapped_file.hpp>
#include <engraft/io/printable.hpp>
#include <engraft/io/source/dcm_file.ipp> // exact
#include <engraft/io/whole_file.hpp>

namespace engraft {

namespace detail {

/// What a name in such a file says, within the graph's layers and heads; nothing for any other text.
class eap_names {
public:
    explicit eap_names(eap_graph const& g) : g_(g) {}

    static std::string of(edge_sender const& n) {
        if (n == edge_sender::input())
            return "input";
        auto const layer = std::to_string(n.layer);
        return n.head == edge_sender::mlp ? "m" + layer : "a" + layer + ".h" + std::to_string(n.head);
    }
    static std::string of(edge const& e) {
        auto const from = of(e.from) + "->";
        if (e.to.input == edge_input::unembedding)
            return from + "logits";
        if (e.to.input == edge_input::mlp)
            return from + of(edge_sender{e.to.layer, edge_sender::mlp});
        return from + of(edge_sender{e.to.layer, e.to.head}) + "<" + "qkv"[static_cast<int>(e.to.input)] + ">";
    }

    std::optional<edge_sender> node(std::string_view text) const {
        if (text == "input")
            return edge_sender::input();
        if (auto const layer = number(text, "m", "", g_.layers))
            return edge_sender{*layer, edge_sender::mlp};
        auto const dot = text.find('.');
        if (dot == text.npos)
            return {};
        auto const layer = number(text.substr(0, dot), "a", "", g_.layers);
        auto const head = number(text.substr(dot), ".h", "", g_.heads);
        if (!layer || !head)
            return {};
        return edge_sender{*layer, *head};
    }

    std::optional<edge> edge_named(std::string_view text) const {
        auto const arrow = text.find("->");
        if (arrow == text.npos)
            return {};
        auto const from = node(text.substr(0, arrow));
        auto to = text.substr(arrow + 2);
        if (!from)
            return {};
        engraft::edge e{*from, {g_.layers, edge_input::unembedding, 0}};
        if (to != "logits") {
            std::size_t const input = to.ends_with(">") && to.size() > 3 && to[to.size() - 3] == '<'
                                          ? std::string_view("qkv").find(to[to.size() - 2])
                                          : to.npos;
            auto const target = node(input == to.npos ? to : to.substr(0, to.size() - 3));
            if (!target || *target == edge_sender::input() || (target->head == edge_sender::mlp) != (input == to.npos))
                return {};
            e.to = input == to.npos ? edge_receiver{target->layer, edge_input::mlp, 0}
                                    : edge_receiver{target->layer, static_cast<edge_input>(input), target->head};
        }
        description d;
        d.residual = g_.parallel ? residual::parallel : residual::sequential;
        if (!reaches(d, e.from, e.to))
            return {};
        return e;
    }

private:
    /// The number below `end` between two texts, written without leading zeros.
    static std::optional<int> number(std::string_view text, std::string_view before, std::string_view behind, int end) {
        if (!text.starts_with(before) || !text.ends_with(behind) || text.size() <= before.size() + behind.size())
            return {};
        text = text.substr(before.size(), text.size() - before.size() - behind.size());
        int value = -1;
        auto const [last, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
        bool const plain = text == "0" || (text[0] >= '1' && text[0] <= '9');
        if (!plain || failed != std::errc() || last != text.data() + text.size() || value >= end)
            return {};
        return value;
    }

    eap_graph const& g_;
};

/// JSON has no NaN, which Python writes for the score of a node that has none: it becomes null, which is as long to
/// read.
inline std::string without_nan(std::string_view text) {
    std::string out;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"')
            quoted = !quoted;
        else if (text[i] == '\\' && quoted && i + 1 < text.size())
            out += text[i++];
        else if (!quoted && text.substr(i, 3) == "NaN") {
            out += "null";
            i += 2;
            continue;
        }
        out += text[i];
    }
    return out;
}

} // namespace detail

ENGRAFT_BODY eap_graph read_eap_graph(std::filesystem::path const& path) {
    auto const where = path.string();
    mapped_file const file(path);
    if (file.size() > json_size_limit)
        throw bad_file(where, {"the graph has ", file.size(), " bytes; at most ", json_size_limit, " are read"});
    auto const document = parse_json(detail::without_nan(file.text()), where);
    require_only(document, {"cfg", "nodes", "edges"}, where);
    auto const& cfg = require_value(document, "cfg", where);
    require_only(cfg, {"n_layers", "n_heads", "parallel_attn_mlp", "d_model"}, where + ": cfg");
    constexpr std::int64_t most = 1 << 20;
    eap_graph g{static_cast<int>(require_int(cfg, "n_layers", where + ": cfg", 1, most)),
                static_cast<int>(require_int(cfg, "n_heads", where + ": cfg", 1, most)),
                static_cast<int>(require_int(cfg, "d_model", where + ": cfg", 1, most)),
                bool_or(cfg, "parallel_attn_mlp", where + ": cfg", false),
                {},
                {}};
    detail::eap_names const names(g);
    for (auto const& [name, entry] : require_object(document, "nodes", where)) {
        auto const at = where + ": " + detail::printable(name);
        require_only(entry, {"in_graph", "score"}, at);
        bool const in_circuit = as_bool(require_value(entry, "in_graph", at), "in_graph", at);
        double const score = number_or(entry, "score", at, std::numeric_limits<double>::quiet_NaN());
        if (name == "logits")
            continue;
        auto const node = names.node(name);
        if (!node)
            throw bad_file(where, {"the graph of ", g.layers, " layers and ", g.heads, " heads has no node '",
                                   detail::printable(name), "'; nodes are input, a0.h0, m0 and the like, and logits"});
        g.nodes.push_back({*node, in_circuit, score});
    }
    for (auto const& [name, entry] : require_object(document, "edges", where)) {
        auto const at = where + ": " + detail::printable(name);
        require_only(entry, {"in_graph", "score"}, at);
        auto const edge = names.edge_named(name);
        if (!edge)
            throw bad_file(where, {"the graph of ", g.layers, " layers and ", g.heads, " heads has no edge '",
                                   detail::printable(name),
                                   "'; edges go from a node to one that reads the stream behind it, such as "
                                   "input->a0.h0<q>, a0.h0->m0 and m0->logits"});
        g.edges.push_back(
            {*edge, as_bool(require_value(entry, "in_graph", at), "in_graph", at), require_number(entry, "score", at)});
    }
    std::ranges::sort(g.nodes, {}, &eap_graph::scored_node::of);
    std::ranges::sort(g.edges, {}, &eap_graph::scored_edge::of);
    return g;
}

ENGRAFT_BODY void write_eap_graph(std::filesystem::path const& path, eap_graph const& g) {
    detail::eap_names const names(g);
    std::set<std::string> seen;
    auto const key = [&](std::string const& name, bool known) {
        if (!known || !seen.insert(name).second)
            throw bad_input({"the graph of ", g.layers, " layers and ", g.heads, " heads has no `", name,
                             "`, or has it twice, and can't be written"});
        return "\"" + name + "\": {";
    };
    auto const truth = [](bool b) { return b ? "true" : "false"; };
    std::string text = "{\"cfg\": {\"n_layers\": " + std::to_string(g.layers) +
                       ", \"n_heads\": " + std::to_string(g.heads) + ", \"parallel_attn_mlp\": " + truth(g.parallel) +
                       ", \"d_model\": " + std::to_string(g.d_model) + "},\n\"nodes\": {";
    for (auto const& n : g.nodes) {
        auto const name = names.of(n.of);
        text += "\n" + key(name, names.node(name) == n.of) + "\"in_graph\": " + truth(n.in_circuit);
        if (!std::isnan(n.score))
            text += ", \"score\": " + detail::exact(n.score);
        text += "},";
    }
    text += "\n\"logits\": {\"in_graph\": true}},\n\"edges\": {";
    char const* between = "";
    for (auto const& e : g.edges) {
        auto const name = names.of(e.of);
        if (!std::isfinite(e.score))
            throw bad_input({"the score of the edge ", name, " is not a finite number and can't be written"});
        text += between + ("\n" + key(name, names.edge_named(name) == e.of)) + "\"score\": " + detail::exact(e.score) +
                ", \"in_graph\": " + truth(e.in_circuit) + "}";
        between = ",";
    }
    write_whole_file(path, text + "}}\n");
}

} // namespace engraft

#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/core/error.hpp>
#include <engraft/io/json.hpp>
#include <engraft/io/source/config_object.ipp>
#include <engraft/model/description.hpp>

/// Layers of two kinds in a config.
namespace engraft::detail {

/// What `layer_types` says of each layer: whether it has the sliding window. None without that list.
inline std::vector<bool> read_layer_types(config_object& config, int layers) {
    std::vector<bool> slides;
    auto const* types = config.find("layer_types");
    if (!types)
        return slides;
    for (auto const& type : as_array(*types, "layer_types", config.path())) {
        auto const& name = as_string(type, "layer_types", config.path());
        if (name != "full_attention" && name != "sliding_attention")
            config.unsupported("layer_types", shown(type), "'full_attention', 'sliding_attention'");
        slides.push_back(name == "sliding_attention");
    }
    if (slides.size() != static_cast<std::size_t>(layers))
        throw bad_file(config.path(), {"'layer_types' has ", slides.size(), " entries for ", layers, " layers"});
    return slides;
}

inline bool has_any(std::vector<bool> const& layers) {
    return std::find(layers.begin(), layers.end(), true) != layers.end();
}

/// The shortest part that the layers repeat. throws bad_file, naming the key, where a description can't hold it
inline layer_pattern pattern_of(std::vector<bool> const& layers, std::string_view key, config_object const& config) {
    std::size_t period = 1;
    for (std::size_t i = 0; i < layers.size(); ++i)
        if (layers[i] != layers[i % period])
            period = i + 1, i = 0;
    if (period >= sizeof(layer_pattern::marks))
        config.unsupported(key, "of " + std::to_string(layers.size()) + " layers in no order that repeats",
                           "any order of at most " + std::to_string(sizeof(layer_pattern::marks) - 1) +
                               " layers, repeated as often as needed");
    std::string marks;
    for (std::size_t i = 0; i < period; ++i)
        marks += layers[i] ? '1' : '0';
    return marks.empty() ? layer_pattern("1") : layer_pattern(std::string_view(marks));
}

/// Which layers have the sliding window, from `layer_types` where it stands, and otherwise those of a pattern.
/// The window is 4096 where a config has no such key, and off where it is null.
inline void read_window(config_object& config, layer_pattern const& otherwise, description& d) {
    auto const slides = read_layer_types(config, d.layers);
    bool const window = !config.has("sliding_window") || config.find("sliding_window");
    if (slides.empty() ? !window : !has_any(slides))
        return;
    if (!window)
        throw bad_file(config.path(), "'layer_types' names sliding_attention, but there is no 'sliding_window'");
    d.window = config.dimension_or("sliding_window", 4096);
    d.window_layers = slides.empty() ? otherwise : pattern_of(slides, "layer_types", config);
}

/// Of families that know no window, a list of layers may say only that.
inline void require_full_attention(config_object& config, description const& d) {
    if (has_any(read_layer_types(config, d.layers)))
        config.unsupported("layer_types", "\"sliding_attention\"", "'full_attention'");
}

} // namespace engraft::detail

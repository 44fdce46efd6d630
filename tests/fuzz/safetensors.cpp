#include <engraft/io/checkpoint.hpp>
#include <engraft/io/safetensors.hpp>

#include "reading.hpp"

void engraft_fuzz::safetensors(std::string_view input) {
    auto const file = folder::one().put("model.safetensors", input);
    accepted([&] {
        engraft::safetensors_file const read(file);
        std::size_t bytes = 0;
        for (auto const& [name, tensor] : read.tensors())
            bytes += tensor.bytes.size();
        require(bytes <= input.size(), "the tensors have more bytes than the file");
        read_all(engraft::checkpoint(folder::one().path()));
    });
}

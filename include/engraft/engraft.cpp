// The bodies of functions that are no templates in what the engine does without: files and tasks. See engine.cpp.

#ifndef ENGRAFT_COMPILED
#define ENGRAFT_COMPILED
#endif

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <engraft/io/source/arranged_tensor.ipp>
#include <engraft/io/source/bpe.ipp>
#include <engraft/io/source/checkpoint.ipp>
#include <engraft/io/source/circuit_file.ipp>
#include <engraft/io/source/config.ipp>
#include <engraft/io/source/dcm_file.ipp>
#include <engraft/io/source/dequantize.ipp>
#include <engraft/io/source/derived_tensor.ipp>
#include <engraft/io/source/eap_file.ipp>
#include <engraft/io/source/gguf.ipp>
#include <engraft/io/source/gguf_description.ipp>
#include <engraft/io/source/gguf_reader.ipp>
#include <engraft/io/source/gguf_tensors.ipp>
#include <engraft/io/source/gguf_tokenizer.ipp>
#include <engraft/io/source/journal_file.ipp>
#include <engraft/io/source/json.ipp>
#include <engraft/io/source/lora.ipp>
#include <engraft/io/source/mapped_file.ipp>
#include <engraft/io/source/model_files.ipp>
#include <engraft/io/source/normalization.ipp>
#include <engraft/io/source/npy.ipp>
#include <engraft/io/source/pair_row.ipp>
#include <engraft/io/source/require_same.ipp>
#include <engraft/io/source/safetensors.ipp>
#include <engraft/io/source/store.ipp>
#include <engraft/io/source/store_writer.ipp>
#include <engraft/io/source/stored_tensor.ipp>
#include <engraft/io/source/text_pattern.ipp>
#include <engraft/io/source/tokenizer.ipp>
#include <engraft/io/source/tokenizer_json.ipp>
#include <engraft/io/source/utf8.ipp>
#include <engraft/io/source/whole_file.ipp>
#include <engraft/task/source/boxes.ipp>
#include <engraft/task/source/desiderata.ipp>
#include <engraft/task/source/known_tasks.ipp>
#include <engraft/task/source/pairs.ipp>

namespace engraft {

template void read_elements(stored_tensor const&, std::size_t, std::span<float>, std::string const&, element_check);
template void read_elements(stored_tensor const&, std::size_t, std::span<double>, std::string const&, element_check);
template void read_elements(stored_tensor const&, std::size_t, std::span<std::int64_t>, std::string const&,
                            element_check);

template void read_elements(arranged_tensor const&, std::size_t, std::span<float>, std::string const&, element_check);
template void read_elements(arranged_tensor const&, std::size_t, std::span<double>, std::string const&, element_check);
template void read_elements(arranged_tensor const&, std::size_t, std::span<std::int64_t>, std::string const&,
                            element_check);

template void store_writer::add(std::string_view, int, std::span<float const>);
template void store_writer::add(std::string_view, int, std::span<double const>);

namespace boxes {
template prompts sample(tokenizer const&, options const&);
template std::vector<std::vector<std::vector<long>>> segments(tokenizer const&, prompts const&);
template std::vector<triple> draw_triples(tokenizer const&, hypothesis, options const&);
template desideratum encode(tokenizer const&, hypothesis, std::vector<triple> const&);
template desideratum sample(tokenizer const&, hypothesis, options const&);
} // namespace boxes

} // namespace engraft

// The bodies of io's functions and of those that they call: see engraft.cpp, which who only reads files can do without.

#ifndef ENGRAFT_COMPILED
#define ENGRAFT_COMPILED
#endif

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <engraft/circuit/source/circuit.ipp>
#include <engraft/io/source/arranged_tensor.ipp>
#include <engraft/io/source/bpe.ipp>
#include <engraft/io/source/checkpoint.ipp>
#include <engraft/io/source/circuit_file.ipp>
#include <engraft/io/source/config.ipp>
#include <engraft/io/source/dcm_file.ipp>
#include <engraft/io/source/dequantize.ipp>
#include <engraft/io/source/gguf.ipp>
#include <engraft/io/source/gguf_description.ipp>
#include <engraft/io/source/gguf_reader.ipp>
#include <engraft/io/source/gguf_tensors.ipp>
#include <engraft/io/source/gguf_tokenizer.ipp>
#include <engraft/io/source/journal_file.ipp>
#include <engraft/io/source/json.ipp>
#include <engraft/io/source/load.ipp>
#include <engraft/io/source/lora.ipp>
#include <engraft/io/source/mapped_file.ipp>
#include <engraft/io/source/normalization.ipp>
#include <engraft/io/source/npy.ipp>
#include <engraft/io/source/printable.ipp>
#include <engraft/io/source/require_same.ipp>
#include <engraft/io/source/results.ipp>
#include <engraft/io/source/safetensors.ipp>
#include <engraft/io/source/stored_tensor.ipp>
#include <engraft/io/source/text_pattern.ipp>
#include <engraft/io/source/tokenizer.ipp>
#include <engraft/io/source/tokenizer_json.ipp>
#include <engraft/io/source/utf8.ipp>
#include <engraft/io/source/whole_file.ipp>
#include <engraft/model/source/description_text.ipp>

namespace engraft {

template void read_elements(stored_tensor const&, std::size_t, std::span<float>, std::string const&);
template void read_elements(stored_tensor const&, std::size_t, std::span<double>, std::string const&);
template void read_elements(stored_tensor const&, std::size_t, std::span<std::int64_t>, std::string const&);

template void read_elements(arranged_tensor const&, std::size_t, std::span<float>, std::string const&);
template void read_elements(arranged_tensor const&, std::size_t, std::span<double>, std::string const&);
template void read_elements(arranged_tensor const&, std::size_t, std::span<std::int64_t>, std::string const&);

} // namespace engraft

// See core/linkage.hpp.
#ifdef __ELF__
extern "C" {
extern char const engraft_is_linked;
[[gnu::visibility("hidden")]] extern char const engraft_is_in_headers_or_linked_but_not_both;
[[gnu::used]] char const engraft_is_linked = 0;
[[gnu::used]] char const engraft_is_in_headers_or_linked_but_not_both = 0;
}
#endif

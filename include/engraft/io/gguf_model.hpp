#pragma once

#include <map>
#include <string>

#include <engraft/core/linkage.hpp>
#include <engraft/io/arranged_tensor.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/model/description.hpp>

namespace engraft {

/// What a GGUF file's metadata and tensors say about a model of llama.cpp's architectures llama (Llama and Mistral),
/// qwen2, qwen3, gemma2, gpt2 and gptneox. The description's name is the file's, without its extension.
///
/// A few facts are not in such files. Where `expected` is given and of the same kind, the description takes them from
/// there, else they are as in the models that were released:
///   Llama or Mistral, and Mistral's window            Llama; none
///   the three other numbers of Llama 3's frequencies  1, 4 and 8192; the frequencies themselves must agree
///   Gemma 2's query_pre_attn_scalar                   d_head; d_model / heads in the model of 46 layers
///   which gelu a GPT-2 or GPT-NeoX model uses         gelu_new; gelu
///
/// throws bad_file when a fact is missing or the numbers don't fit together and, naming it, for an architecture or a
///        feature that is not supported
description read_config(gguf_file const& file, description const* expected = nullptr);

/// The file's tensors under the names that the model's family reads (model/families/), each with the order of its rows
/// there: llama.cpp stores queries and keys of Llama with the two halves of each head interleaved, GPT-2's matrices
/// transposed, GPT-NeoX's queries, keys and values behind each other, and adds 1 to Gemma's norms. A tensor of another
/// name keeps it. `d` is the file's description. The tensors live as long as the file.
/// source  llama.cpp's convert_hf_to_gguf.py (conversion/) and the Python package gguf (gguf/tensor_mapping.py)
std::map<std::string, arranged_tensor, std::less<>> family_tensors(gguf_file const& file, description const& d);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/gguf_description.ipp>
#include <engraft/io/source/gguf_tensors.ipp>
#endif

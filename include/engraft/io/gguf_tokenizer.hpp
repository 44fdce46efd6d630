#pragma once

#include <engraft/core/linkage.hpp>
#include <engraft/io/gguf.hpp>
#include <engraft/io/tokenizer_parts.hpp>

namespace engraft {

/// Whether a GGUF file's metadata have a tokenizer.
bool has_tokenizer(gguf_file const& file);

/// The tokenizer of a GGUF file's metadata (tokenizer.ggml.*), as the model's own Hugging Face tokenizer cuts texts:
/// model "gpt2" is byte-level BPE, where "pre" names how a text is split; model "llama" is SentencePiece's BPE with a
/// score for each token and bytes for what has none. Control and unknown tokens are special, user-defined ones found in
/// a text before it is split; tokens at the beginning and end of a text are put there as add_bos_token and
/// add_eos_token say or, without them, as the kind of tokenizer does.
/// throws bad_file when a part is missing or does not fit and, naming it, for a model or a split that is not read
/// source  docs/gguf.md in the ggml project, section "Tokenizer"; llama.cpp's src/llama-vocab.cpp
tokenizer_steps::parts read_tokenizer(gguf_file const& file);

} // namespace engraft

#ifndef ENGRAFT_COMPILED
#include <engraft/io/source/gguf_tokenizer.ipp>
#endif

// Weights as torch.save writes them: a zip file or a pickle. Reading either can run code, so none is read.
#pragma once

#include <filesystem>

namespace clip_hpc {

// The names that open_clip and Hugging Face give such a file in a folder.
inline constexpr const char* kPickleNames[] = {"open_clip_pytorch_model.bin", "pytorch_model.bin"};

// Throws input, with the line that converts it, where `input` is such a file, or a folder that holds one and no
// safetensors.
void refuse_pickle(const std::filesystem::path& input);

}  // namespace clip_hpc

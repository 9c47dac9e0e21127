// The files of CLIP_benchmark's folders, as both ways know them:
//   classnames.txt, zeroshot_classification_templates.txt   one a line, {c} stands for the class name
//   dataset_type.txt                                        "retrieval"; without it a classification
//   <split>/nshards.txt, <split>/0.tar, 1.tar, …            an image with cls (class from 0), or txt (one caption per
//   line)
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc::clip_benchmark {

inline constexpr const char* kCount = "nshards.txt";
inline constexpr const char* kNames = "classnames.txt";
inline constexpr const char* kTemplates = "zeroshot_classification_templates.txt";
inline constexpr const char* kType = "dataset_type.txt";

std::filesystem::path tar_path(const std::filesystem::path& split_folder, std::size_t shard);

std::size_t line_end_bytes(std::string_view text);               // 0: the text begins with something else
std::vector<std::string> python_lines(const std::string& text);  // str.splitlines()
std::string trimmed(std::string_view text);

}  // namespace clip_hpc::clip_benchmark

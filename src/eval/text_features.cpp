#include "clip_hpc/eval/text_features.hpp"

#include <ATen/core/grad_mode.h>

#include <span>

#include "clip_hpc/eval/zeroshot_task.hpp"
#include "clip_hpc/model/caption_ids.hpp"

namespace clip_hpc {

at::Tensor text_features(const EvalContext& context, const std::vector<std::string>& texts) {
  return encode_blocks(context.comm, static_cast<std::int64_t>(texts.size()), context.model.config().embed_dim,
                       [&](std::int64_t begin, std::int64_t end) {
                         const auto part = std::span(texts).subspan(static_cast<std::size_t>(begin),
                                                                    static_cast<std::size_t>(end - begin));
                         const at::Tensor ids = token_ids(context.tokenizer, context.model.text(), part);
                         return normalise_features(context.model.encode_text(ids.to(context.model.device())));
                       });
}

LostNames lost_names(const Tokenizer& tokenizer, std::int64_t context, const std::vector<std::string>& names,
                     const std::vector<std::string>& templates) {
  LostNames lost;
  for (const std::string& name : names) {
    for (const std::string& form : templates) {
      std::string prompt = fill_template(form, name);
      if (std::ssize(tokenizer.tokens(prompt)) <= context) continue;
      // Cut where its first name ends: what the end token leaves of it must still have all of that.
      const std::string to_name = prompt.substr(0, placeholder_in(form) + name.size());
      if (std::ssize(tokenizer.tokens(to_name)) <= context) continue;
      if (lost.prompts++ == 0) lost.example = std::move(prompt);
    }
  }
  return lost;
}

at::Tensor class_features(const EvalContext& context, const std::vector<std::string>& names,
                          const std::vector<std::string>& templates) {
  const at::NoGradGuard no_grad;
  std::string key;
  for (const auto* list : {&names, &templates}) {
    for (const std::string& one : *list) key += fmt::format("{}:{}", one.size(), one);
    key += '|';
  }
  if (context.memo != nullptr && context.memo->classes.contains(key)) return context.memo->classes.at(key);
  std::vector<std::string> prompts;
  for (const std::string& name : names) {
    for (const std::string& form : templates) prompts.push_back(fill_template(form, name));
  }
  const at::Tensor all = text_features(context, prompts);  // [classes * templates, embed_dim]
  const auto classes = static_cast<std::int64_t>(names.size());
  at::Tensor features = normalise_features(all.view({classes, -1, all.size(1)}).mean(1));
  if (context.memo != nullptr) context.memo->classes.emplace(key, features);
  return features;
}

}  // namespace clip_hpc

// The three functions that are called GELU.
#pragma once

namespace clip_hpc {

enum class Gelu {
  exact,  // u Phi(u), by the error function
  quick,  // CLIP's: u sigmoid(1.702 u)
  tanh,   // flax's default, SigLIP's: u / 2 (1 + tanh(sqrt(2 / pi) (u + 0.044715 u^3)))
};

}  // namespace clip_hpc

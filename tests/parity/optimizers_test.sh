#!/usr/bin/env bash
# Two hundred steps of Adafactor end where its definition in double precision and timm's adafactorbv end, those of LAMB
# and SGD where timm's do: factored projections head by head, decay groups, clipping, schedules, cool-downs.
# shellcheck source=tests/parity/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
new_scratch
# Heads and widths that are large enough to be factored; patches, tokens and positions that are and that are not.
cat >"$scratch/model.json" <<'MODEL'
{
  "embed_dim": 48,
  "vision_cfg": { "image_size": 16, "layers": 2, "width": 64, "patch_size": 8, "head_width": 32 },
  "text_cfg": { "context_length": 36, "vocab_size": 100, "width": 96, "heads": 3, "layers": 1 }
}
MODEL
equals_peers() { # name, precision, [section.key=value]...
  local name=$1 precision=$2
  shift 2
  "$dump" optimizer "$scratch/model.json" "$scratch/$name" "$precision" 200 "$@" &&
    against optimizers_parity.py "$scratch/$name" "$@"
}
adafactor=(optim.name=adafactor optim.beta2=0.999 optim.weight_decay=1e-4)
check 'adafactor: as big_vision trains' equals_peers adafactor fp32 "${adafactor[@]}"
check 'adafactor: large rate and decay, a cap of beta2 that is reached' equals_peers adafactor_large fp32 \
  "${adafactor[@]}" optim.lr=0.01 optim.weight_decay=1e-2 optim.beta2=0.95
check 'adafactor: constant rate and cool-down' equals_peers adafactor_cooldown fp32 "${adafactor[@]}" \
  optim.schedule=constant optim.cooldown=0.2
check 'adafactor: gradients and weights in bf16' equals_peers adafactor_bf16 bf16 "${adafactor[@]}"
check 'lamb' equals_peers lamb fp32 optim.name=lamb optim.lr=0.01
check 'lamb: no decay, which leaves the steps as they are' equals_peers lamb_plain fp32 optim.name=lamb optim.weight_decay=0
check 'sgd with momentum' equals_peers sgd fp32 optim.name=sgd optim.lr=0.1
check "sgd with Nesterov's momentum, warm-up in steps" equals_peers nesterov fp32 optim.name=sgd optim.lr=0.1 \
  optim.nesterov=true optim.warmup=25
finish

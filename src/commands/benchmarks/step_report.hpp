// What `bench step` and `bench load --with-step` have in common: options of a step, its table and its line of JSON.
#pragma once

#include <string>

#include "clip_hpc/bench/bench_step.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/run/bench_lines.hpp"

namespace clip_hpc {

void add_step_options(ArgumentTable& table, StepBenchOptions& options);
void finish_step_options(StepBenchOptions& options, const std::string& model_file);  // reads the model; throws input

void print_step_head();
void print_step(const StepBenchOptions& options, const StepRate& rate, int ranks);
void print_ranks(const StepRate& rate);  // who works longest, and what of the exchanges a step hides
StepLine line_of(const char* bench, const StepBenchOptions& options, const StepRate& rate, int ranks);

}  // namespace clip_hpc

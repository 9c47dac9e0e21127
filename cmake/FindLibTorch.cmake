# LibTorch as two plain imported targets, from any PyTorch wheel or LibTorch zip on CMAKE_PREFIX_PATH:
#   LibTorch::cpu   headers, libtorch_cpu, libc10: all that clip_hpc links
#   LibTorch::cuda  libtorch_cuda, libc10_cuda: linked by libclip_hpc_cuda.so alone (absent in a CPU-only LibTorch)
# PyTorch's own package is not used: it demands nvcc and pulls libtorch_cuda into every program.
file(GLOB LibTorch_default_prefixes ${CMAKE_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/torch
     ${CMAKE_SOURCE_DIR}/.deps/libtorch)
find_path(LibTorch_INCLUDE_DIR ATen/ATen.h PATH_SUFFIXES include HINTS ${LibTorch_ROOT} $ENV{LIBTORCH}
          ${LibTorch_default_prefixes})
if(LibTorch_INCLUDE_DIR)
  get_filename_component(LibTorch_PREFIX ${LibTorch_INCLUDE_DIR} DIRECTORY)
  file(STRINGS ${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h LibTorch_version_line REGEX "define TORCH_VERSION ")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" LibTorch_VERSION "${LibTorch_version_line}")
endif()
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS ${LibTorch_PREFIX}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 HINTS ${LibTorch_PREFIX}/lib NO_DEFAULT_PATH)
find_library(LibTorch_CUDA_LIBRARY torch_cuda HINTS ${LibTorch_PREFIX}/lib NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda HINTS ${LibTorch_PREFIX}/lib NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "Run jobs/setup.sh, or give -DCMAKE_PREFIX_PATH=<folder that holds include/ATen and lib/libtorch_cpu.so>")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION ${LibTorch_C10_LIBRARY} IMPORTED_NO_SONAME ON)
  add_library(LibTorch::cpu SHARED IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES IMPORTED_LOCATION ${LibTorch_CPU_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES "LibTorch::c10")
  # The backends register themselves from constructors: the linker must not drop libtorch_cpu. The libraries that it
  # loads in turn (CUDA run time, OpenMP) are found through its own run path, not at our link time.
  set_property(TARGET LibTorch::cpu PROPERTY INTERFACE_LINK_OPTIONS
    "LINKER:--no-as-needed" "LINKER:--allow-shlib-undefined")
  set_property(TARGET LibTorch::cpu APPEND PROPERTY INTERFACE_COMPILE_DEFINITIONS _GLIBCXX_USE_CXX11_ABI=1)
  if(LibTorch_CUDA_LIBRARY)
    add_library(LibTorch::cuda SHARED IMPORTED)
    set_target_properties(LibTorch::cuda PROPERTIES IMPORTED_LOCATION ${LibTorch_CUDA_LIBRARY}
      INTERFACE_LINK_LIBRARIES "LibTorch::cpu;${LibTorch_C10_CUDA_LIBRARY}"
      INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined")
  endif()
endif()

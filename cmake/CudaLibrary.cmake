# libclip_hpc_cuda.so: device code, opened with dlopen where a driver is. The programs never link it.
if(CLIP_HPC_CUDA STREQUAL "OFF")
  message(STATUS "CUDA: off")
  return()
endif()
set(CMAKE_CUDA_ARCHITECTURES 90 CACHE STRING "CUDA architectures")
include(CheckLanguage)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  # CMake looks on PATH alone; a toolkit is often installed and not on it.
  find_program(CLIP_HPC_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  if(CLIP_HPC_NVCC)
    set(CMAKE_CUDA_COMPILER ${CLIP_HPC_NVCC})
  endif()
endif()
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(CLIP_HPC_CUDA STREQUAL "ON")
    message(FATAL_ERROR "CLIP_HPC_CUDA=ON, but nvcc was not found: load your CUDA module or set CUDACXX")
  endif()
  message(STATUS "CUDA: nvcc not found, building without libclip_hpc_cuda.so")
  return()
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*.cu)
if(NOT cuda_sources)
  return()
endif()
add_library(clip_hpc_cuda SHARED ${cuda_sources})
# CMake 3.25 has no table of dialect flags for nvcc 13: the property stays at 17 and the flag asks for 20.
set_target_properties(clip_hpc_cuda PROPERTIES CUDA_STANDARD 17)
# CMake takes the toolkit's folder for one that the loader searches anyway; on most clusters it is not.
set_target_properties(clip_hpc_cuda PROPERTIES BUILD_RPATH "${CUDAToolkit_LIBRARY_DIR}"
                      INSTALL_RPATH "${CMAKE_INSTALL_RPATH};${CUDAToolkit_LIBRARY_DIR}")
target_compile_options(clip_hpc_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
target_include_directories(clip_hpc_cuda PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(clip_hpc_cuda PRIVATE CUDA::cudart)
target_include_directories(clip_hpc_cuda SYSTEM PRIVATE ${LibTorch_INCLUDE_DIR})  # bfloat16

# The part that knows tensors: src/**/*_cuda.cpp. Error, World and Communicator are the program's own: the library finds
# them there when it is opened. NCCL is the one that libtorch_cuda.so loads; only its header is wanted here.
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${LibTorch_PREFIX}/../nvidia/nccl/include $ENV{NCCL_HOME}/include
          ${CUDAToolkit_INCLUDE_DIRS})
if(TARGET LibTorch::cuda AND NCCL_INCLUDE_DIR)
  file(GLOB_RECURSE plane_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*_cuda.cpp)
  add_library(clip_hpc_cuda_plane OBJECT ${plane_sources})  # of its own, since nvcc knows other flags than the compiler
  target_include_directories(clip_hpc_cuda_plane SYSTEM PRIVATE ${NCCL_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(clip_hpc_cuda_plane PRIVATE clip_hpc_settings fmt::fmt-header-only LibTorch::cuda)
  target_link_libraries(clip_hpc_cuda PRIVATE clip_hpc_cuda_plane LibTorch::cuda)
  get_filename_component(libtorch_cuda_folder ${LibTorch_CUDA_LIBRARY} DIRECTORY)
  set_property(TARGET clip_hpc_cuda APPEND PROPERTY BUILD_RPATH ${libtorch_cuda_folder})
else()
  message(STATUS "CUDA: LibTorch has no libtorch_cuda.so, or nccl.h was not found: libclip_hpc_cuda.so only describes "
                 "devices, training stays on the CPU")
endif()
install(TARGETS clip_hpc_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

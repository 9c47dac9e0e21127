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
file(GLOB cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*/*.cu)
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
target_include_directories(clip_hpc_cuda PRIVATE ${CMAKE_SOURCE_DIR}/include)
target_link_libraries(clip_hpc_cuda PRIVATE CUDA::cudart)
target_include_directories(clip_hpc_cuda SYSTEM PRIVATE ${LibTorch_INCLUDE_DIR})

# src/<room>/*_cuda.cpp: tensors for the kernels. They need LibTorch's CUDA libraries; its constructors register the
# device, so none of them may be dropped as unused.
if(TARGET LibTorch::cuda)
  file(GLOB tensor_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/*/*_cuda.cpp)
  target_sources(clip_hpc_cuda PRIVATE ${tensor_sources})
  target_compile_options(clip_hpc_cuda PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall> $<$<COMPILE_LANGUAGE:CXX>:-Wextra>
                         $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${CLIP_HPC_WERROR}>>:-Werror>)
  target_link_libraries(clip_hpc_cuda PRIVATE LibTorch::cuda)
else()
  message(WARNING "CUDA: this LibTorch has no libtorch_cuda: libclip_hpc_cuda.so tells devices, but nothing trains on "
                  "them. Give a LibTorch that was built with CUDA.")
endif()
install(TARGETS clip_hpc_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})

# One interface target with the settings of all our own code; third-party headers come in as SYSTEM.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # A precompiled header is cached only when ccache is told not to mistrust its macros and times.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
endif()

add_library(clip_hpc_settings INTERFACE)
# "clip_hpc/ops/linear.hpp" is what other modules may use; "ops/sgemm.hpp" is the module's own; tests and postprocess say
# where they stand: "tests/…", "postprocess/…".
target_include_directories(clip_hpc_settings INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
target_compile_options(clip_hpc_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       -Wold-style-cast -Wcast-qual -fno-math-errno -fno-trapping-math
                       $<$<BOOL:${CLIP_HPC_WERROR}>:-Werror> $<$<BOOL:${CLIP_HPC_NATIVE}>:-march=native>
                       $<$<BOOL:${CCACHE_PROGRAM}>:-fpch-preprocess>)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overflows in inlined std::string that are not there (GCC bugs 105329, 105651).
  target_compile_options(clip_hpc_settings INTERFACE -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
endif()
if(CLIP_HPC_SANITIZE)
  target_compile_options(clip_hpc_settings INTERFACE -fsanitize=${CLIP_HPC_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(clip_hpc_settings INTERFACE -fsanitize=${CLIP_HPC_SANITIZE})
endif()

# All sources of the named modules: src/<module>/**.cpp, but for *_cuda.cpp, which belong to libclip_hpc_cuda.so.
function(clip_hpc_module_sources out)
  set(all "")
  foreach(module IN LISTS ARGN)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${module}/*.cpp)
    list(FILTER found EXCLUDE REGEX "_cuda\\.cpp$")
    list(APPEND all ${found})
  endforeach()
  set(${out} ${all} PARENT_SCOPE)
endfunction()

# What only reads words and calls others is compiled with -O1, which takes a third less time. Pixels, tokens, tensors,
# ranking and heads are not on this list.
function(clip_hpc_plain_sources)
  foreach(source IN LISTS ARGN)
    if(source MATCHES "/src/(config|run|study|strategy|checkpoint|train|bench)/" OR
       (source MATCHES "/src/eval/" AND NOT source MATCHES "/src/eval/(heads/|ranking|classification_metrics|score|search)"))
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -O1)
    endif()
  endforeach()
endfunction()

# The program's version: project version and the commit it was built from, refreshed by every build.
add_custom_target(clip_hpc_version_file BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/version.cpp
  COMMAND ${CMAKE_COMMAND} -DOUT=${CMAKE_BINARY_DIR}/generated/version.cpp -DSOURCE=${CMAKE_SOURCE_DIR}
          -DVERSION=${PROJECT_VERSION} -P ${CMAKE_SOURCE_DIR}/cmake/Version.cmake)

# A page of docs/ as a C++ string of that name; `out` is the source that defines it.
function(clip_hpc_embedded_page out page name)
  set(source ${CMAKE_BINARY_DIR}/generated/${out}.cpp)
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DIN=${CMAKE_SOURCE_DIR}/${page} -DOUT=${source} -DNAME=${name}
            -P ${CMAKE_SOURCE_DIR}/cmake/EmbedText.cmake
    DEPENDS ${CMAKE_SOURCE_DIR}/${page} ${CMAKE_SOURCE_DIR}/cmake/EmbedText.cmake)
  set(${out} ${source} PARENT_SCOPE)
endfunction()

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

# The files of a table name their functions alike: each is compiled alone.
function(clip_hpc_alone)  # sources...
  foreach(source IN LISTS ARGN)
    if(source MATCHES "/(towers|tasks|terms|benchmarks|formats)/")
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endfunction()

# A static library with a precompiled header, in two parts. What only reads words and calls others is compiled with -O1
# and several files at once: every file that sees LibTorch or JSON costs two seconds before its first line. Pixels,
# tokens, tensors, ranking and heads are compiled with -O3 and one by one, but for those with autograd functions, whose
# header costs more than they do.
function(clip_hpc_library name header)  # sources...
  # Its header is compiled in a target of its own, with -O3: GCC 12 crashes where one made with -O1 is used with -O3.
  file(WRITE ${CMAKE_BINARY_DIR}/generated/${name}_pch.cpp "")
  add_library(${name}_pch OBJECT ${CMAKE_BINARY_DIR}/generated/${name}_pch.cpp)
  target_precompile_headers(${name}_pch PRIVATE ${header})

  set(sources ${ARGN})
  set(plain ${ARGN})
  list(FILTER plain INCLUDE REGEX "/src/(config|run|study|model|strategy|checkpoint|train|bench|eval)/|/generated/")
  list(FILTER plain EXCLUDE REGEX "/src/eval/(heads/|ranking|classification_metrics|score|search)")
  list(REMOVE_ITEM sources ${plain})
  add_library(${name}_plain OBJECT ${plain})
  target_compile_options(${name}_plain PRIVATE -O1)
  set_target_properties(${name}_plain PROPERTIES UNITY_BUILD ${CLIP_HPC_UNITY} UNITY_BUILD_BATCH_SIZE 5)
  target_precompile_headers(${name}_plain REUSE_FROM ${name}_pch)
  clip_hpc_alone(${plain})

  foreach(source IN LISTS sources)
    file(STRINGS ${source} autograd REGEX "autograd/custom_function" LIMIT_COUNT 1)
    if(autograd)
      set_source_files_properties(${source} PROPERTIES UNITY_GROUP autograd)
    endif()
  endforeach()
  add_library(${name} STATIC ${sources} $<TARGET_OBJECTS:${name}_plain>)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${CLIP_HPC_UNITY} UNITY_BUILD_MODE GROUP)
  target_precompile_headers(${name} REUSE_FROM ${name}_pch)
endfunction()

function(clip_hpc_link_library name)  # libraries...
  target_link_libraries(${name}_pch PUBLIC ${ARGN})
  target_link_libraries(${name}_plain PUBLIC ${ARGN})
  target_link_libraries(${name} PUBLIC ${ARGN})
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

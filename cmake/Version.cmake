execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD OUTPUT_VARIABLE commit
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit unknown)
endif()
file(WRITE ${OUT}.new "#include \"clip_hpc/base/version.hpp\"\n\nnamespace clip_hpc {\n
const char* program_version() { return \"${VERSION}\"; }\nconst char* git_commit() { return \"${commit}\"; }\n
}  // namespace clip_hpc\n")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}.new ${OUT})

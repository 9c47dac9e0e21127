# A text file as a C++ string: cmake -DIN=docs/config.md -DOUT=config_page.cpp -DNAME=kConfigPage -P EmbedText.cmake
file(READ ${IN} text)
file(WRITE ${OUT} "namespace clip_hpc {\n\nextern const char* const ${NAME};\nconst char* const ${NAME} = R\"embedded(${text})embedded\";\n\n}  // namespace clip_hpc\n")

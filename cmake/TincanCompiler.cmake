# The flags of our own targets; an including project keeps its own.
add_library(tincan_flags INTERFACE)
target_compile_features(tincan_flags INTERFACE cxx_std_23)
target_compile_options(tincan_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
  -Wno-missing-field-initializers  # options structs are meant to be filled in part
  # GCC 12 sees overlaps in std::string where there are none, its PR 105651, and addresses of locals
  # stay behind that a destructor takes back.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> $<$<CXX_COMPILER_ID:GNU>:-Wno-dangling-pointer>)
# Not in the sanitizer presets: GCC's warnings about values cry wolf over instrumented code.
if(TINCAN_WERROR)
  target_compile_options(tincan_flags INTERFACE -Werror)
endif()

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_EXTENSIONS OFF)

  # Used when it is there: a second build of the same sources then costs next to nothing. The
  # sloppiness is what ccache(1) asks for under "Precompiled headers"; in the depend mode the first
  # build costs no run of the preprocessor either.
  find_program(TINCAN_CCACHE ccache)
  if(TINCAN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_DEPEND=1 CCACHE_SLOPPINESS=pch_defines,time_macros
        ${TINCAN_CCACHE})
  endif()
endif()

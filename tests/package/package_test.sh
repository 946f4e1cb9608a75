#!/usr/bin/env bash
# Installs tincan into a tree of its own, moves that tree, and lets a foreign project build against
# it with CMake and with pkg-config.
#
#   package_test.sh static SOURCE BUILD    installs what the release build made
#   package_test.sh shared SOURCE BUILD    builds libtincan.so first, and the examples with it
#   package_test.sh inside SOURCE BUILD    add_subdirectory instead of an installed tree
set -euo pipefail

kind=$1 source=$2 build=$3
version=$(sed -n 's/^project(tincan VERSION \([0-9.]*\).*/\1/p' "$source/CMakeLists.txt")
folder=$(mktemp -d /tmp/tincan-package-XXXXXX)
trap 'rm -rf "$folder"' EXIT
prefix=$folder/moved
# The release build has compiled the same files with the same flags, in ccache's depend mode too.
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_DEPEND=1; fi

fail() { echo "package_test.sh $kind: $*" >&2; exit 1; }

# quiet COMMAND...: says something only when the command fails
quiet() { "$@" >"$folder/log" 2>&1 || { cat "$folder/log"; fail "failed: $*"; }; }

install_tree() {
  quiet cmake --install "$1" --prefix "$folder/installed"
  mv "$folder/installed" "$prefix"
}

build_shared() {
  quiet cmake -S "$source" -B "$folder/shared" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_SHARED_LIBS=ON -DTINCAN_TESTS=OFF -DTINCAN_BENCH=OFF -DTINCAN_TOOL=OFF
  quiet cmake --build "$folder/shared"
}

check_tree() {
  diff <(ls "$source/include/tincan") <(cd "$prefix" && find include -name '*.h' -printf '%P\n' |
    sed 's,^tincan/,,' | sort) || fail "installed headers are not the public ones"
  local seam
  seam=$(grep -rlI TINCAN_SEAM "$prefix") && fail "the seam leaks into $seam"
  [[ -s $prefix/share/doc/tincan/LICENSE ]] || fail "the license is not installed"
}

check_tool() {
  for file in share/man/man1/tincan.1 share/bash-completion/completions/tincan \
    share/zsh/site-functions/_tincan; do
    [[ -s $prefix/$file ]] || fail "$file is not installed"
  done
  [[ $("$prefix/bin/tincan" --version) == *"$version"* ]] || fail "the tool is not of $version"
}

check_exports() {
  local library=$libraries/libtincan.so exports foreign
  # Functions of public classes, their constructors, and two free functions: cmake/tincan.map.
  local class='(Address|Client|Descriptor|Failure|Listener|Peer|Reply|Request|Server|Stream)'
  exports=$(nm --dynamic --defined-only --demangle "$library" | cut -d' ' -f3- | sed 's/@.*//')
  foreign=$(grep -vE "^tincan::$class::([a-z]|~?\1\()|^tincan::(name|testing::pair)\(|^TINCAN_" \
    <<<"$exports") && fail "the shared library shows: $foreign"
  foreign=$(readelf --dynamic "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
    grep -vE '^(libc|libm|libstdc\+\+|libgcc_s|ld-linux-[a-z0-9-]+)\.so') &&
    fail "the shared library needs $foreign"
  [[ $(readelf --dynamic "$library") == *"SONAME"*"libtincan.so.${version%.*}"* ]] ||
    fail "no SONAME"
}

# expect_version COMMAND...: the foreign program ran all through
expect_version() {
  local said
  said=$(cd "$folder" && LD_LIBRARY_PATH=$libraries "$@") || fail "$1 failed"
  [[ $said == "tincan $version" ]] || fail "$1 said: $said"
}

use_by_cmake() {
  quiet cmake -S "$source/tests/package/foreign" -B "$folder/by-cmake" \
    -DCMAKE_PREFIX_PATH="$prefix"
  quiet cmake --build "$folder/by-cmake"
  expect_version "$folder/by-cmake/foreign"
}

# Until 1.0 a minor version may break, so 0.1 must not pass for 0.2.
refuse_newer() {
  cp -r "$source/tests/package/foreign" "$folder/newer"
  sed -i 's/find_package(tincan 0.1/find_package(tincan 0.2/' "$folder/newer/CMakeLists.txt"
  if cmake -S "$folder/newer" -B "$folder/newer/build" -DCMAKE_PREFIX_PATH="$prefix" \
    >/dev/null 2>&1; then
    fail "$version passes for 0.2"
  fi
}

use_by_pkg_config() {
  local flags
  export PKG_CONFIG_PATH=$libraries/pkgconfig
  pkg-config "--exact-version=$version" tincan || fail "pkg-config does not know $version"
  read -ra flags <<<"$(pkg-config --cflags --libs tincan)"
  quiet "${CXX:-c++}" -std=c++23 "$source/tests/package/foreign/main.cc" -o "$folder/by-hand" \
    "${flags[@]}"
  expect_version "$folder/by-hand"
}

use_inside() {
  cat >"$folder/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(outer LANGUAGES CXX)
add_subdirectory($source tincan)
add_executable(outer $source/tests/package/foreign/main.cc)
target_link_libraries(outer PRIVATE tincan::tincan)
EOF
  quiet cmake -S "$folder" -B "$folder/outer" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTINCAN_WERROR=ON
  quiet cmake --build "$folder/outer"
  local more
  more=$(find "$folder/outer/tincan" -type f -executable)
  [[ -z $more ]] || fail "an outer project gets $more as well"
  libraries='' expect_version "$folder/outer/outer"
}

case $kind in
  static) install_tree "$build" ;;
  shared) build_shared && install_tree "$folder/shared" ;;
  inside) use_inside && exit ;;
esac
libraries=$(dirname "$(find "$prefix" -name 'libtincan.*' -print -quit)")
check_tree
if [[ $kind == static ]]; then check_tool; else check_exports; fi
use_by_cmake
refuse_newer
use_by_pkg_config

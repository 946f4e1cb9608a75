#pragma once

// What most tests include, precompiled once for all of them (tests/CMakeLists.txt).

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tincan/tincan.h"

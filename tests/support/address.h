#pragma once

#include <string>

#include "tincan/address.h"

namespace tincan::test {

inline Address at(const std::string& text) { return Address::parse(text).value(); }

}  // namespace tincan::test

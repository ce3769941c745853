// A data set of a dozen images, for tests of whatever trains on one.
#pragma once

#include "core/data/dataset.hpp"

namespace relaxon::testing {

/// Twelve images of four signs in three classes, to train and to test on.
inline Dataset small_data() {
  Dataset data;
  data.train.x = Tensor(DType::i8, {12, 4});
  data.train.classes = Tensor(DType::i32, {12});
  for (std::size_t i = 0; i < 48; ++i) data.train.x.data<std::int8_t>()[i] = i * i % 7 < 3 ? 1 : -1;
  for (std::size_t i = 0; i < 12; ++i)
    data.train.classes.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 3);
  data.test = data.train;
  data.classes = 3;
  data.code = Tensor(DType::f32, {3, 3});
  for (std::size_t i = 0; i < 9; ++i) data.code.data<float>()[i] = i % 4 == 0 ? 1.0f : -1.0f;
  return data;
}

}  // namespace relaxon::testing

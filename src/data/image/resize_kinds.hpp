// Resizing of what is not plain grey or RGB.
#pragma once

#include "clip_hpc/data/image/image.hpp"
#include "clip_hpc/data/image/resize.hpp"
#include "data/image/taps.hpp"

namespace clip_hpc {

// Outputs [columns] x [rows] of the whole resized image, of any kind: a centre crop costs only what it keeps. The kind
// of the image stays.
Image resize_part(const ImageView& image, int width, int height, Filter filter, const Box& box, OutputRange columns,
                  OutputRange rows);

// The same of bytes that are mixed one by one, whatever they mean.
Image resize_bytes(const ImageView& image, int width, int height, Filter filter, const Box& box, OutputRange columns,
                   OutputRange rows);

// Pillow shrinks the rows of a tall image first, which rounds in another order.
bool rows_come_first(const ImageView& image, int width, int height);

}  // namespace clip_hpc

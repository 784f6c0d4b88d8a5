// The engine as four kernels linked by channels: weights and activations stream to the PE array, its sums stream to
// the writer, which also runs the layers without weights. Every kernel walks the same layer descriptors
// [first, last), so a board needs one launch of each per image; the writer's token tells the reader that the bytes
// of the layer before are in memory.
//
// The three loops of a convolution are the same in every kernel: strips of output rows whose input fits the on-chip
// strip buffer, blocks of LANE output channels, groups of PX pixels.
#pragma OPENCL EXTENSION cl_intel_channels : enable

channel weights_t weight_stream __attribute__((depth(WEIGHT_CHANNEL_DEPTH)));
channel pixels_t pixel_stream __attribute__((depth(PIXEL_CHANNEL_DEPTH)));
channel sums_t sum_stream __attribute__((depth(SUM_CHANNEL_DEPTH)));
channel int layer_done __attribute__((depth(4)));

inline int taps_of(const descriptor_t* d) { return d->tap_rows * d->tap_columns * d->vectors; }

inline int strip_end(const descriptor_t* d, int row) { return min(row + d->strip_rows, d->rows_end); }

inline int groups_of(const descriptor_t* d, int row) {
  return ((strip_end(d, row) - row) * d->columns + PX - 1) / PX;
}

__attribute__((max_global_work_dim(0)))
__kernel void read_weights(__global const descriptor_t* restrict program, __global const weights_t* restrict weights,
                           int first, int last) {
  for (int n = first; n < last; n++) {
    const descriptor_t layer = program[n], *d = &layer;
    if (d->kind != KIND_CONVOLUTION) continue;
    int taps = taps_of(d);
    for (int row = d->rows_begin; row < d->rows_end; row += d->strip_rows)
      for (int b = d->blocks_begin; b < d->blocks_end; b++) {
        // Weights that do not fit the on-chip buffer are sent again for every group of pixels.
        int passes = taps <= WEIGHT_DEPTH ? 1 : groups_of(d, row);
        for (int pass = 0; pass < passes; pass++)
          for (int t = 0; t < taps; t++) write_channel_intel(weight_stream, weights[d->weights + b * taps + t]);
      }
  }
}

__attribute__((max_global_work_dim(0)))
__kernel void read_activations(__global const descriptor_t* restrict program, __global const int* restrict parameters,
                               __global const uchar* arena, int first, int last) {
  vector_t strip[STRIP_VECTORS];
  for (int n = first; n < last; n++) {
    if (n > first) {
      int finished = read_channel_intel(layer_done);
      mem_fence(CLK_GLOBAL_MEM_FENCE | CLK_CHANNEL_MEM_FENCE);
      (void)finished;
    }
    const descriptor_t layer = program[n], *d = &layer;
    if (d->kind != KIND_CONVOLUTION) continue;
    int reach = (d->tap_rows - 1) * d->dilation_rows;
    for (int row = d->rows_begin; row < d->rows_end; row += d->strip_rows) {
      int end = strip_end(d, row);
      int lowest = max(row * d->stride_rows - d->pad_top, 0);
      int highest = min((end - 1) * d->stride_rows - d->pad_top + reach, d->input_rows - 1);
      for (int y = lowest; y <= highest; y++)
        for (int x = 0; x < d->input_columns; x++)
          #pragma unroll BURST_VECTORS
          for (int c = 0; c < d->pixel_vectors; c++)
            strip[((y - lowest) * d->input_columns + x) * d->pixel_vectors + c] =
                load_vector(arena + d->source + y * d->source_row_step + x * d->source_step + c * VEC);
      for (int b = d->blocks_begin; b < d->blocks_end; b++) {
        int start = parameters[d->parameters + b * BLOCK_PARAMETERS + 2 * LANE];
        int group_row = row, group_column = 0;
        for (int group = 0; group < groups_of(d, row); group++) {
          int top[PX], left[PX];
          #pragma unroll
          for (int p = 0; p < PX; p++) {
            top[p] = group_row * d->stride_rows - d->pad_top;
            left[p] = group_column * d->stride_columns - d->pad_left;
            bool wraps = ++group_column == d->columns;
            group_column = wraps ? 0 : group_column;
            group_row += wraps ? 1 : 0;
          }
          for (int r = 0; r < d->tap_rows; r++)
            for (int s = 0; s < d->tap_columns; s++)
              for (int c = 0; c < d->vectors; c++) {
                pixels_t out;
                #pragma unroll
                for (int p = 0; p < PX; p++) {
                  int y = top[p] + r * d->dilation_rows, x = left[p] + s * d->dilation_columns;
                  bool inside = y >= lowest && y <= highest && x >= 0 && x < d->input_columns;
                  vector_t one = constant_vector((uchar)d->input_zero_point);
                  if (inside) one = strip[((y - lowest) * d->input_columns + x) * d->pixel_vectors + start + c];
                  #pragma unroll
                  for (int v = 0; v < VEC; v++) out.v[p * VEC + v] = one.v[v];
                }
                write_channel_intel(pixel_stream, out);
              }
        }
      }
    }
  }
}

__attribute__((max_global_work_dim(0)))
__kernel void multiply_accumulate(__global const descriptor_t* restrict program,
                                  __global const int* restrict parameters, int first, int last) {
  weights_t resident[2][WEIGHT_DEPTH];  // two banks: the next block's weights arrive during the first group of pixels
  for (int n = first; n < last; n++) {
    const descriptor_t layer = program[n], *d = &layer;
    if (d->kind != KIND_CONVOLUTION) continue;
    int taps = taps_of(d);
    bool fits = taps <= WEIGHT_DEPTH;
    int bank = 0;
    for (int t = 0; fits && t < taps; t++) resident[0][t] = read_channel_intel(weight_stream);
    for (int row = d->rows_begin; row < d->rows_end; row += d->strip_rows)
      for (int b = d->blocks_begin; b < d->blocks_end; b++) {
        bool final = b + 1 == d->blocks_end && strip_end(d, row) == d->rows_end;
        for (int group = 0; group < groups_of(d, row); group++) {
          sums_t out;
          #pragma unroll
          for (int i = 0; i < PX * LANE; i++)
            out.v[i] = (uint)parameters[d->parameters + b * BLOCK_PARAMETERS + i % LANE];
          for (int t = 0; t < taps; t++) {
            weights_t weights;
            if (fits) weights = resident[bank][t];
            else weights = read_channel_intel(weight_stream);
            if (fits && group == 0 && !final) resident[1 - bank][t] = read_channel_intel(weight_stream);
            pixels_t inputs = read_channel_intel(pixel_stream);
            #pragma unroll
            for (int p = 0; p < PX; p++) multiply(out.v + p * LANE, inputs.v + p * VEC, weights.v);
          }
          write_channel_intel(sum_stream, out);
        }
        bank = 1 - bank;
      }
  }
}

__attribute__((max_global_work_dim(0)))
__kernel void write_results(__global const descriptor_t* restrict program, __global const int* restrict parameters,
                            __global uchar* arena, int first, int last) {
  for (int n = first; n < last; n++) {
    const descriptor_t layer = program[n], *d = &layer;
    if (d->kind != KIND_CONVOLUTION) vector_layer(d, parameters, arena);
    for (int row = d->rows_begin; d->kind == KIND_CONVOLUTION && row < d->rows_end; row += d->strip_rows)
      for (int b = d->blocks_begin; b < d->blocks_end; b++) {
        __global const float* scales =
            (__global const float*)(parameters + d->parameters + b * BLOCK_PARAMETERS + LANE);
        int end = strip_end(d, row) * d->columns;
        for (int pixel = row * d->columns; pixel < end; pixel += PX) {
          sums_t sums = read_channel_intel(sum_stream);
          // One pixel a cycle: a group of PX takes the PE array as many cycles as it has taps, so there is time.
          for (int p = 0; p < PX; p++)
            if (pixel + p < end)
              store_pixel(d, arena, scales, sums.v + p * LANE, (pixel + p) / d->columns, (pixel + p) % d->columns,
                          b * LANE);
        }
      }
    if (n + 1 < last) {
      mem_fence(CLK_GLOBAL_MEM_FENCE | CLK_CHANNEL_MEM_FENCE);
      write_channel_intel(layer_done, n);
    }
  }
}

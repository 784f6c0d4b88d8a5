// The whole engine in one single-work-item kernel: for devices without channels, and the fast path in emulation.
// One launch walks the layer descriptors [first, last).

inline void fused_pixels(const descriptor_t* d, __global const weights_t* block, const int* biases,
                         __global const float* scales, __global uchar* arena, int start, int k, int pixel, int count) {
  uint sums[PX * LANE];
  int top[PX], left[PX];
  #pragma unroll
  for (int p = 0; p < PX; p++) {
    int clipped = pixel + (p < count ? p : 0);
    top[p] = (clipped / d->columns) * d->stride_rows - d->pad_top;
    left[p] = (clipped % d->columns) * d->stride_columns - d->pad_left;
    #pragma unroll
    for (int l = 0; l < LANE; l++) sums[p * LANE + l] = (uint)biases[l];
  }
  vector_t padding = constant_vector((uchar)d->input_zero_point);
  int tap = 0;
  for (int r = 0; r < d->tap_rows; r++)
    for (int s = 0; s < d->tap_columns; s++) {
      #pragma unroll
      for (int p = 0; p < PX; p++) {
        int y = top[p] + r * d->dilation_rows, x = left[p] + s * d->dilation_columns;
        bool inside = y >= 0 && y < d->input_rows && x >= 0 && x < d->input_columns;
        __global const uchar* source = arena + d->source + y * d->source_row_step + x * d->source_step + start;
        for (int c = 0; c < d->vectors; c++) {
          vector_t inputs = padding;
          if (inside) inputs = load_vector(source + c * VEC);
          weights_t weights = block[tap + c];
          multiply(sums + p * LANE, inputs.v, weights.v);
        }
      }
      tap += d->vectors;
    }
  for (int p = 0; p < count; p++)
    store_pixel(d, arena, scales, sums + p * LANE, (pixel + p) / d->columns, (pixel + p) % d->columns, k);
}

inline void fused_convolution(const descriptor_t* d, __global const weights_t* weights,
                              __global const int* parameters, __global uchar* arena) {
  int taps = d->tap_rows * d->tap_columns * d->vectors;
  for (int b = d->blocks_begin; b < d->blocks_end; b++) {
    __global const int* header = parameters + d->parameters + b * BLOCK_PARAMETERS;
    int start = header[2 * LANE] * VEC;
    int biases[LANE];
    #pragma unroll
    for (int l = 0; l < LANE; l++) biases[l] = header[l];
    int end = d->rows_end * d->columns;
    for (int pixel = d->rows_begin * d->columns; pixel < end; pixel += PX)
      fused_pixels(d, weights + d->weights + b * taps, biases, (__global const float*)(header + LANE), arena, start,
                   b * LANE, pixel, min(PX, end - pixel));
  }
}

__attribute__((max_global_work_dim(0)))
__kernel void run_layers(__global const descriptor_t* program, __global const weights_t* weights,
                         __global const int* parameters, __global uchar* arena, int first, int last) {
  for (int n = first; n < last; n++) {
    const descriptor_t layer = program[n], *d = &layer;
    if (d->kind == KIND_CONVOLUTION)
      fused_convolution(d, weights, parameters, arena);
    else
      vector_layer(d, parameters, arena);
  }
}

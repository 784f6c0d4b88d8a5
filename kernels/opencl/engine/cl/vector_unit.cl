// Layers without weights: pooling, addition, scale and shift, lookup, copies. They run where results are written.

inline void pool_maximum(const descriptor_t* d, __global uchar* arena, int row, int column) {
  __global uchar* target = arena + d->target + (row * d->columns + column) * d->target_step;
  int top = row * d->stride_rows - d->pad_top, left = column * d->stride_columns - d->pad_left;
  for (int c = 0; c < d->channels; c++) target[c] = 0;
  for (int r = 0; r < d->tap_rows; r++) {
    int y = top + r * d->dilation_rows;
    for (int s = 0; s < d->tap_columns; s++) {
      int x = left + s * d->dilation_columns;
      if (y < 0 || y >= d->input_rows || x < 0 || x >= d->input_columns) continue;
      __global const uchar* source = arena + d->source + y * d->source_row_step + x * d->source_step;
      #pragma ivdep
      #pragma unroll VEC
      for (int c = 0; c < d->channels; c++) target[c] = max(target[c], source[c]);
    }
  }
}

inline void pool_average(const descriptor_t* d, __global const int* parameters, __global uchar* arena,
                         int row, int column) {
  __global uchar* target = arena + d->target + (row * d->columns + column) * d->target_step;
  int top = row * d->stride_rows - d->pad_top, left = column * d->stride_columns - d->pad_left;
  int inside = 0;
  for (int r = 0; r < d->tap_rows; r++)
    for (int s = 0; s < d->tap_columns; s++) {
      int y = top + r * d->dilation_rows, x = left + s * d->dilation_columns;
      inside += (y >= 0 && y < d->input_rows && x >= 0 && x < d->input_columns) ? 1 : 0;
    }
  float multiplier = as_float(parameters[d->parameters + inside]);
  for (int c = 0; c < d->channels; c += VEC) {
    int sums[VEC];
    #pragma unroll
    for (int v = 0; v < VEC; v++) sums[v] = 0;
    for (int r = 0; r < d->tap_rows; r++)
      for (int s = 0; s < d->tap_columns; s++) {
        int y = top + r * d->dilation_rows, x = left + s * d->dilation_columns;
        if (y < 0 || y >= d->input_rows || x < 0 || x >= d->input_columns) continue;
        __global const uchar* source = arena + d->source + y * d->source_row_step + x * d->source_step + c;
        #pragma unroll
        for (int v = 0; v < VEC; v++) sums[v] += (int)source[v] - d->input_zero_point;
      }
    #pragma unroll
    for (int v = 0; v < VEC; v++)
      if (c + v < d->channels)
        target[c + v] = saturated((float)sums[v] * multiplier, d->zero_point, d->low, d->high);
  }
}

inline void add_pixel(const descriptor_t* d, __global uchar* arena, int pixel) {
  __global uchar* target = arena + d->target + pixel * d->target_step;
  __global const uchar* first = arena + d->source + pixel * d->source_step;
  __global const uchar* second = arena + d->second + pixel * d->second_step;
  #pragma ivdep
  #pragma unroll VEC
  for (int c = 0; c < d->channels; c++) {
    float a = centred(first[c], d->input_zero_point) * d->middle_multiplier;
    float b = centred(second[c], d->residual_zero_point) * d->residual_multiplier;
    target[c] = saturated(a + b, d->zero_point, d->low, d->high);
  }
}

inline void scale_pixel(const descriptor_t* d, __global const int* parameters, __global uchar* arena,
                        int pixel) {
  __global uchar* target = arena + d->target + pixel * d->target_step;
  __global const uchar* source = arena + d->source + pixel * d->source_step;
  __global const float* factors = (__global const float*)(parameters + d->parameters);
  #pragma ivdep
  #pragma unroll VEC
  for (int c = 0; c < d->channels; c++) {
    float product = centred(source[c], d->input_zero_point) * factors[c];
    target[c] = saturated(product + factors[d->channels + c], d->zero_point, d->low, d->high);
  }
}

inline void look_up_pixel(const descriptor_t* d, __global const int* parameters, __global uchar* arena,
                          int pixel) {
  __global uchar* target = arena + d->target + pixel * d->target_step;
  __global const uchar* source = arena + d->source + pixel * d->source_step;
  __global const uchar* table = (__global const uchar*)(parameters + d->parameters);
  #pragma ivdep
  #pragma unroll VEC
  for (int c = 0; c < d->channels; c++) target[c] = table[source[c]];
}

// Any rearrangement of up to four dimensions: sizes and byte steps of both sides, innermost last.
inline void move(const descriptor_t* d, __global uchar* arena) {
  for (int i = 0; i < d->move_size0; i++)
    for (int j = 0; j < d->move_size1; j++)
      for (int k = 0; k < d->move_size2; k++) {
        int from = d->source + i * d->move_source0 + j * d->move_source1 + k * d->move_source2;
        int to = d->target + i * d->move_target0 + j * d->move_target1 + k * d->move_target2;
        #pragma ivdep
      #pragma unroll VEC
        for (int l = 0; l < d->move_size3; l++)
          for (int b = 0; b < d->element_bytes; b++)
            arena[to + l * d->move_target3 + b] = arena[from + l * d->move_source3 + b];
      }
}

inline void vector_layer(const descriptor_t* d, __global const int* parameters, __global uchar* arena) {
  if (d->kind == KIND_MOVE) {
    move(d, arena);
    return;
  }
  for (int row = d->rows_begin; row < d->rows_end; row++)
    for (int column = 0; column < d->columns; column++) {
      int pixel = row * d->columns + column;
      if (d->kind == KIND_POOL_MAXIMUM) pool_maximum(d, arena, row, column);
      if (d->kind == KIND_POOL_AVERAGE) pool_average(d, parameters, arena, row, column);
      if (d->kind == KIND_ADD) add_pixel(d, arena, pixel);
      if (d->kind == KIND_SCALE) scale_pixel(d, parameters, arena, pixel);
      if (d->kind == KIND_LOOK_UP) look_up_pixel(d, parameters, arena, pixel);
    }
}

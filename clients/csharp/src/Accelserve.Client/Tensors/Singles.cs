namespace Accelserve.Client;

/// <summary>Numbers of any type as floats.</summary>
internal static class Singles
{
    /// <summary>A new array of a tensor's elements.</summary>
    /// <exception cref="InvalidCastException">They are no real numbers.</exception>
    public static float[] From(TensorData tensor) => tensor switch
    {
        TensorData<float> t => t.Memory.ToArray(),
        TensorData<double> t => Convert(t.Span, static value => (float)value),
        TensorData<int> t => Convert(t.Span, static value => value),
        TensorData<uint> t => Convert(t.Span, static value => value),
        TensorData<long> t => Convert(t.Span, static value => value),
        TensorData<ulong> t => Convert(t.Span, static value => value),
        TensorData<byte> t => Convert(t.Span, static value => value),
        TensorData<sbyte> t => Convert(t.Span, static value => value),
        TensorData<short> t => Convert(t.Span, static value => value),
        TensorData<ushort> t => Convert(t.Span, static value => value),
        TensorData<bool> t => Convert(t.Span, static value => value ? 1f : 0f),
#if NET
        TensorData<Half> t => Convert(t.Span, static value => (float)value),
#endif
        _ => throw new InvalidCastException($"A tensor of {tensor} holds no real numbers."),
    };

    private static float[] Convert<T>(ReadOnlySpan<T> values, Func<T, float> convert)
    {
        var singles = new float[values.Length];
        for (var i = 0; i < singles.Length; i++)
        {
            singles[i] = convert(values[i]);
        }

        return singles;
    }
}

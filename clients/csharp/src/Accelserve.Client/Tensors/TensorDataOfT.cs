using System.Numerics;
using Google.Protobuf;
using Tensorflow;
#if NET
using System.Numerics.Tensors;
#endif

namespace Accelserve.Client;

/// <summary>A tensor whose element type is known. See <see cref="TensorData"/>.</summary>
/// <typeparam name="T">The element type.</typeparam>
public sealed class TensorData<T> : TensorData
{
    internal TensorData(DataType dataType, long[] shape, ReadOnlyMemory<T> memory)
        : base(dataType, shape, memory.Length) => Memory = memory;

    /// <summary>The elements, in row-major order.</summary>
    public ReadOnlyMemory<T> Memory { get; }

    /// <summary>The elements, in row-major order.</summary>
    public ReadOnlySpan<T> Span => Memory.Span;

    /// <inheritdoc/>
    public override Type ElementType => typeof(T);

#if NET
    /// <summary>The elements with their shape, for <see cref="System.Numerics.Tensors"/>; a scalar has one dimension of
    /// 1, since without any a span is empty there.</summary>
    public ReadOnlyTensorSpan<T> AsTensorSpan()
    {
        Span<nint> lengths = stackalloc nint[Math.Max(Sizes.Length, 1)];
        lengths[0] = 1;
        for (var i = 0; i < Sizes.Length; i++)
        {
            lengths[i] = checked((nint)Sizes[i]);
        }

        return new ReadOnlyTensorSpan<T>(Span, lengths);
    }
#endif

    /// <inheritdoc/>
    public override TensorProto ToProto() => TensorWriter.Write(this, Sizes);

    /// <inheritdoc/>
    public override float[] ToSingles() => Singles.From(this);

    /// <inheritdoc/>
    public override Array ToArray()
    {
        if (Sizes.Length == 0)
        {
            throw new InvalidOperationException("A scalar is no array.");
        }

        if (Sizes.Length == 1)
        {
            return Memory.ToArray();
        }

        var lengths = new int[Sizes.Length];
        for (var i = 0; i < lengths.Length; i++)
        {
            lengths[i] = Sizes[i] <= int.MaxValue
                ? (int)Sizes[i]
                : throw new InvalidOperationException($"An array has no dimension of {Sizes[i]}.");
        }

        return MultidimensionalArray.Of(Span, lengths);
    }

    private protected override TensorData Part(int start, int count, long[] shape) =>
        new TensorData<T>(DataType, shape, Memory.Slice(start, count));
}

using System.Globalization;
using Google.Protobuf.Collections;
using Tensorflow;

namespace Accelserve.Client;

/// <summary>Shapes: read with suspicion, written plainly.</summary>
internal static class TensorShape
{
    /// <summary>Dimensions that a tensor may have, as in the Python client.</summary>
    private const int MaxRank = 32;

    /// <summary>The dimensions of a shape that is wholly known.</summary>
    /// <exception cref="TensorFormatException">Unknown rank, a negative dimension, too many of them, or more than 2^63 - 1
    /// elements.</exception>
    public static long[] Read(TensorShapeProto? proto)
    {
        if (proto is null)
        {
            return [];
        }

        if (proto.UnknownRank)
        {
            throw new TensorFormatException("A tensor's shape must be known, got unknown_rank: true.");
        }

        if (proto.Dim.Count > MaxRank)
        {
            throw new TensorFormatException(
                $"A tensor has at most {MaxRank} dimensions, got {proto.Dim.Count.ToString(CultureInfo.InvariantCulture)}.");
        }

        var shape = Sizes(proto.Dim);
        if (Array.Exists(shape, static size => size < 0))
        {
            throw new TensorFormatException($"A tensor's dimensions are 0 or more, got {Text(shape)}.");
        }

        // Zero dimensions do not excuse the others: TensorFlow multiplies from the left and refuses an overflow on the way.
        _ = Product(shape, skipZeros: true)
            ?? throw new TensorFormatException($"Shape {Text(shape)} has more than 2**63 - 1 elements.");
        return shape;
    }

    /// <summary>The number of elements, if their bytes are allowed.</summary>
    /// <exception cref="TensorFormatException">They take more than <paramref name="limitBytes"/>.</exception>
    public static int AllowedCount(long[] shape, int elementBytes, long limitBytes)
    {
        var count = Product(shape, skipZeros: false) ?? long.MaxValue;
        if (count > limitBytes / elementBytes || count > int.MaxValue)
        {
            throw new TensorFormatException(
                $"A tensor of shape {Text(shape)} with elements of {elementBytes} bytes takes more than the {limitBytes} bytes that are allowed.");
        }

        return (int)count;
    }

    /// <summary>The number of elements of a shape that a caller gives.</summary>
    /// <exception cref="ArgumentException">A negative dimension, or more elements than memory can hold.</exception>
    public static int Count(ReadOnlySpan<long> shape)
    {
        foreach (var size in shape)
        {
            if (size < 0)
            {
                throw new ArgumentException($"A tensor's dimensions are 0 or more, got {Text(shape)}.", nameof(shape));
            }
        }

        return Product(shape, skipZeros: false) is { } count and <= int.MaxValue
            ? (int)count
            : throw new ArgumentException($"Shape {Text(shape)} has more than 2**31 - 1 elements.", nameof(shape));
    }

    public static TensorShapeProto Write(ReadOnlySpan<long> shape)
    {
        var proto = new TensorShapeProto();
        foreach (var size in shape)
        {
            proto.Dim.Add(new TensorShapeProto.Types.Dim { Size = size });
        }

        return proto;
    }

    public static string Text(ReadOnlySpan<long> shape)
    {
        var parts = new string[shape.Length];
        for (var i = 0; i < shape.Length; i++)
        {
            parts[i] = shape[i].ToString(CultureInfo.InvariantCulture);
        }

        return $"[{string.Join(", ", parts)}]";
    }

    private static long[] Sizes(RepeatedField<TensorShapeProto.Types.Dim> dims)
    {
        var sizes = new long[dims.Count];
        for (var i = 0; i < sizes.Length; i++)
        {
            sizes[i] = dims[i].Size;
        }

        return sizes;
    }

    private static long? Product(ReadOnlySpan<long> sizes, bool skipZeros)
    {
        long product = 1;
        foreach (var size in sizes)
        {
            if (size == 0)
            {
                if (skipZeros)
                {
                    continue;
                }

                return 0;
            }

            if (product > long.MaxValue / size)
            {
                return null;
            }

            product *= size;
        }

        return product;
    }
}

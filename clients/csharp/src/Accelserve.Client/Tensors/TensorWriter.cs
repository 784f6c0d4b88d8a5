using System.Numerics;
using Google.Protobuf;
using Tensorflow;

namespace Accelserve.Client;

/// <summary>Tensors as messages, without a copy of their elements.</summary>
internal static class TensorWriter
{
    /// <summary>The message for a tensor.</summary>
    public static TensorProto Write<T>(TensorData<T> tensor, ReadOnlySpan<long> shape)
    {
        var proto = new TensorProto { Dtype = tensor.DataType, TensorShape = TensorShape.Write(shape) };
        if (tensor is TensorData<ByteString> strings)
        {
            foreach (var element in strings.Span)
            {
                proto.StringVal.Add(element);
            }
        }
        else
        {
            proto.TensorContent = UnsafeByteOperations.UnsafeWrap(Content(tensor));
        }

        return proto;
    }

    /// <summary>A string tensor of shape [count] of encoded images, which are not copied.</summary>
    /// <exception cref="ArgumentException">No images.</exception>
    public static TensorProto Images(IEnumerable<ReadOnlyMemory<byte>> images)
    {
        var proto = new TensorProto { Dtype = DataType.DtString };
        foreach (var image in images)
        {
            proto.StringVal.Add(UnsafeByteOperations.UnsafeWrap(image));
        }

        if (proto.StringVal.Count == 0)
        {
            throw new ArgumentException("Expected at least one image.", nameof(images));
        }

        proto.TensorShape = TensorShape.Write([proto.StringVal.Count]);
        return proto;
    }

    /// <summary>A string tensor of shape [1] of one encoded image, which is not copied.</summary>
    public static TensorProto Image(ReadOnlyMemory<byte> image)
    {
        var proto = new TensorProto { Dtype = DataType.DtString, TensorShape = TensorShape.Write([1]) };
        proto.StringVal.Add(UnsafeByteOperations.UnsafeWrap(image));
        return proto;
    }

    private static ReadOnlyMemory<byte> Content(TensorData tensor) => tensor switch
    {
        TensorData<float> t when t.DataType == DataType.DtBfloat16 => Narrow(t.Span, Bits16.BfloatOf),
        TensorData<float> t when t.DataType == DataType.DtHalf => Narrow(t.Span, Bits16.HalfOf),
        TensorData<float> t => MemoryViews.Bytes(t.Memory, 4),
        TensorData<double> t => MemoryViews.Bytes(t.Memory, 8),
        TensorData<int> t => MemoryViews.Bytes(t.Memory, 4),
        TensorData<uint> t => MemoryViews.Bytes(t.Memory, 4),
        TensorData<long> t => MemoryViews.Bytes(t.Memory, 8),
        TensorData<ulong> t => MemoryViews.Bytes(t.Memory, 8),
        TensorData<byte> t => t.Memory,
        TensorData<sbyte> t => MemoryViews.Bytes(t.Memory, 1),
        TensorData<short> t => MemoryViews.Bytes(t.Memory, 2),
        TensorData<ushort> t => MemoryViews.Bytes(t.Memory, 2),
        TensorData<bool> t => MemoryViews.Bytes(t.Memory, 1),
#if NET
        TensorData<Half> t => MemoryViews.Bytes(t.Memory, 2),
#endif
        TensorData<Complex> t when t.DataType == DataType.DtComplex64 => Complex64(t.Span),
        TensorData<Complex> t => MemoryViews.Bytes(t.Memory, 8),
        _ => throw new ArgumentException($"Tensors of {tensor.ElementType} cannot be sent."),
    };

    private static ReadOnlyMemory<byte> Narrow(ReadOnlySpan<float> values, Func<float, ushort> bits)
    {
        var narrow = new ushort[values.Length];
        for (var i = 0; i < narrow.Length; i++)
        {
            narrow[i] = bits(values[i]);
        }

        return MemoryViews.Bytes<ushort>(narrow, 2);
    }

    private static ReadOnlyMemory<byte> Complex64(ReadOnlySpan<Complex> values)
    {
        var parts = new float[values.Length * 2];
        for (var i = 0; i < values.Length; i++)
        {
            parts[2 * i] = (float)values[i].Real;
            parts[(2 * i) + 1] = (float)values[i].Imaginary;
        }

        return MemoryViews.Bytes<float>(parts, 4);
    }
}

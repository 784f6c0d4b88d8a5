using System.Numerics;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Tensorflow;

namespace Accelserve.Client;

/// <summary>Messages as tensors, as TensorFlow's runtime reads them.</summary>
/// <remarks>Source: TensorFlow's <c>core/framework/tensor.cc</c>, <c>FromProtoField</c>.</remarks>
internal static class TensorReader
{
    /// <summary>Bytes that a string counts for against the limit: a reference.</summary>
    private const int StringBytes = 8;

    public static TensorData Read(TensorProto proto, long limitBytes)
    {
        var shape = TensorShape.Read(proto.TensorShape);
        if (proto.Dtype == DataType.DtString)
        {
            return Strings(proto, shape, TensorShape.AllowedCount(shape, StringBytes, limitBytes));
        }

        if (ElementTypes.SizeOf(proto.Dtype) is not { } size)
        {
            throw new TensorFormatException($"Tensors of {ElementTypes.NameOf(proto.Dtype)} cannot be read as numbers here.");
        }

        var count = TensorShape.AllowedCount(shape, size.Element, limitBytes);
        if (proto.TensorContent.IsEmpty)
        {
            return FromField(proto, shape, count);
        }

        if ((long)count * size.Element != proto.TensorContent.Length)
        {
            throw new TensorFormatException(
                $"A tensor of shape {TensorShape.Text(shape)} with elements of {size.Element} bytes has {(long)count * size.Element} bytes of tensor_content, got {proto.TensorContent.Length}.");
        }

        return FromContent(proto.TensorContent.Memory, proto.Dtype, shape, count);
    }

    /// <summary>A tensor of little-endian bytes, whose number fits.</summary>
    public static TensorData FromContent(ReadOnlyMemory<byte> bytes, DataType type, long[] shape, int count) => type switch
    {
        DataType.DtFloat => View<float>(bytes, type, shape),
        DataType.DtDouble => View<double>(bytes, type, shape),
        DataType.DtInt32 or DataType.DtQint32 => View<int>(bytes, type, shape),
        DataType.DtUint32 => View<uint>(bytes, type, shape),
        DataType.DtInt64 => View<long>(bytes, type, shape),
        DataType.DtUint64 => View<ulong>(bytes, type, shape),
        DataType.DtUint8 or DataType.DtQuint8 => new TensorData<byte>(type, shape, bytes),
        DataType.DtInt8 or DataType.DtQint8 => View<sbyte>(bytes, type, shape),
        DataType.DtInt16 or DataType.DtQint16 => View<short>(bytes, type, shape),
        DataType.DtUint16 or DataType.DtQuint16 => View<ushort>(bytes, type, shape),
        DataType.DtBool => new TensorData<bool>(type, shape, Truths(bytes)),
        DataType.DtHalf => Halves(MemoryViews.Elements<ushort>(bytes, 2), shape),
        DataType.DtBfloat16 => Widened(MemoryViews.Elements<ushort>(bytes, 2).Span, type, shape),
        DataType.DtComplex64 => new TensorData<Complex>(type, shape, Complexes(MemoryViews.Elements<float>(bytes, 4).Span, count)),
        DataType.DtComplex128 => new TensorData<Complex>(type, shape, MemoryViews.Elements<Complex>(bytes, 8)),
        _ => throw new TensorFormatException($"Tensors of {ElementTypes.NameOf(type)} cannot be read as numbers here."),
    };

    private static TensorData FromField(TensorProto proto, long[] shape, int count)
    {
        var type = proto.Dtype;
        switch (type)
        {
            case DataType.DtFloat:
                return new TensorData<float>(type, shape, Values(proto.FloatVal, count));
            case DataType.DtDouble:
                return new TensorData<double>(type, shape, Values(proto.DoubleVal, count));
            case DataType.DtInt32 or DataType.DtQint32:
                return new TensorData<int>(type, shape, Values(proto.IntVal, count));
            case DataType.DtUint32:
                return new TensorData<uint>(type, shape, Values(proto.Uint32Val, count));
            case DataType.DtInt64:
                return new TensorData<long>(type, shape, Values(proto.Int64Val, count));
            case DataType.DtUint64:
                return new TensorData<ulong>(type, shape, Values(proto.Uint64Val, count));
            case DataType.DtBool:
                return new TensorData<bool>(type, shape, Values(proto.BoolVal, count));
            case DataType.DtUint8 or DataType.DtQuint8:
                return Narrow(proto.IntVal, type, shape, count, byte.MinValue, byte.MaxValue, static v => (byte)v);
            case DataType.DtInt8 or DataType.DtQint8:
                return Narrow(proto.IntVal, type, shape, count, sbyte.MinValue, sbyte.MaxValue, static v => (sbyte)v);
            case DataType.DtInt16 or DataType.DtQint16:
                return Narrow(proto.IntVal, type, shape, count, short.MinValue, short.MaxValue, static v => (short)v);
            case DataType.DtUint16 or DataType.DtQuint16:
                return Narrow(proto.IntVal, type, shape, count, ushort.MinValue, ushort.MaxValue, static v => (ushort)v);
            case DataType.DtHalf:
                return Halves(Bits(proto, shape, count).Memory, shape);
            case DataType.DtBfloat16:
                return Widened(Bits(proto, shape, count).Span, type, shape);
            case DataType.DtComplex64:
                return new TensorData<Complex>(type, shape, Complexes(Pairs(proto.ScomplexVal, count), count));
            case DataType.DtComplex128:
                return new TensorData<Complex>(type, shape, Complexes(Pairs(proto.DcomplexVal, count), count));
            default:
                throw new TensorFormatException($"Tensors of {ElementTypes.NameOf(type)} cannot be read as numbers here.");
        }
    }

    private static TensorData<T> View<T>(ReadOnlyMemory<byte> bytes, DataType type, long[] shape)
        where T : struct =>
        new(type, shape, MemoryViews.Elements<T>(bytes, ElementTypes.SizeOf(type)!.Value.Unit));

    /// <summary>So many values: those of the field, the last one again and again, or zeros.</summary>
    private static ReadOnlyMemory<T> Values<T>(RepeatedField<T> field, int count)
        where T : struct
    {
        if (field.Count >= count)
        {
            return MemoryViews.Values(field, count);
        }

        var values = new T[count];
        if (field.Count > 0)
        {
            field.CopyTo(values, 0);
            values.AsSpan(field.Count).Fill(field[field.Count - 1]);
        }

        return values;
    }

    private static TensorData<T> Narrow<T>(
        RepeatedField<int> field, DataType type, long[] shape, int count, int least, int most, Func<int, T> convert)
        where T : struct
    {
        var wide = Values(field, count).Span;
        var values = new T[count];
        for (var i = 0; i < values.Length; i++)
        {
            if (wide[i] < least || wide[i] > most)
            {
                throw new TensorFormatException(
                    $"Element {i} is {wide[i]}, but {ElementTypes.NameOf(type)} holds {least} to {most}.");
            }

            values[i] = convert(wide[i]);
        }

        return new TensorData<T>(type, shape, values);
    }

    private static TensorData<ushort> Bits(TensorProto proto, long[] shape, int count) =>
        Narrow(proto.HalfVal, proto.Dtype, shape, count, ushort.MinValue, ushort.MaxValue, static v => (ushort)v);

    private static TensorData Halves(ReadOnlyMemory<ushort> bits, long[] shape)
    {
#if NET
        return new TensorData<Half>(DataType.DtHalf, shape, MemoryViews.Halves(bits));
#else
        return Widened(bits.Span, DataType.DtHalf, shape);
#endif
    }

    private static TensorData<float> Widened(ReadOnlySpan<ushort> bits, DataType type, long[] shape)
    {
        var values = new float[bits.Length];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = type == DataType.DtHalf ? Bits16.FromHalf(bits[i]) : Bits16.FromBfloat(bits[i]);
        }

        return new TensorData<float>(type, shape, values);
    }

    private static ReadOnlySpan<T> Pairs<T>(RepeatedField<T> field, int count)
        where T : struct => UnsafeCollectionOperations.AsSpan(field).Slice(0, Math.Min(field.Count / 2, count) * 2);

    private static Complex[] Complexes(ReadOnlySpan<float> parts, int count)
    {
        var values = new Complex[count];
        for (var i = 0; i < parts.Length / 2; i++)
        {
            values[i] = new Complex(parts[2 * i], parts[(2 * i) + 1]);
        }

        return RepeatLast(values, parts.Length / 2);
    }

    private static Complex[] Complexes(ReadOnlySpan<double> parts, int count)
    {
        var values = new Complex[count];
        for (var i = 0; i < parts.Length / 2; i++)
        {
            values[i] = new Complex(parts[2 * i], parts[(2 * i) + 1]);
        }

        return RepeatLast(values, parts.Length / 2);
    }

    private static Complex[] RepeatLast(Complex[] values, int given)
    {
        if (given > 0)
        {
            values.AsSpan(given).Fill(values[given - 1]);
        }

        return values;
    }

    /// <summary>Any byte but 0 is true; a bool of another byte than 0 and 1 would misbehave.</summary>
    private static ReadOnlyMemory<bool> Truths(ReadOnlyMemory<byte> bytes)
    {
        foreach (var value in bytes.Span)
        {
            if (value > 1)
            {
                return Array.ConvertAll(bytes.ToArray(), static each => each != 0);
            }
        }

        return MemoryViews.Elements<bool>(bytes, 1);
    }

    private static TensorData<ByteString> Strings(TensorProto proto, long[] shape, int count)
    {
        var strings = proto.TensorContent.IsEmpty
            ? [.. proto.StringVal]
            : SplitStrings(proto.TensorContent.Memory, shape, count);
        if (strings.Length != count)
        {
            throw new TensorFormatException(
                $"A string tensor of shape {TensorShape.Text(shape)} has {count} elements, got {strings.Length}.");
        }

        return new TensorData<ByteString>(DataType.DtString, shape, strings);
    }

    /// <summary>Splits what TensorFlow makes of strings in <c>tensor_content</c>: all lengths as varints, then all the
    /// bytes.</summary>
    private static ByteString[] SplitStrings(ReadOnlyMemory<byte> content, long[] shape, int count)
    {
        // Every length takes at least a byte.
        if (count > content.Length)
        {
            throw BrokenStrings(shape, count);
        }

        var lengths = new long[count];
        var position = 0;
        for (var i = 0; i < count; i++)
        {
            lengths[i] = Varint(content.Span, ref position) ?? throw BrokenStrings(shape, count);
        }

        if (position + lengths.Sum() != content.Length)
        {
            throw BrokenStrings(shape, count);
        }

        var strings = new ByteString[count];
        for (var i = 0; i < count; i++)
        {
            strings[i] = UnsafeByteOperations.UnsafeWrap(content.Slice(position, (int)lengths[i]));
            position += (int)lengths[i];
        }

        return strings;
    }

    private static long? Varint(ReadOnlySpan<byte> content, ref int position)
    {
        long value = 0;
        // Five groups of seven bits hold 32 bits.
        for (var shift = 0; shift <= 28; shift += 7)
        {
            if (position >= content.Length)
            {
                return null;
            }

            var current = content[position++];
            value |= (long)(current & 0x7F) << shift;
            if (current < 0x80)
            {
                return value;
            }
        }

        return null;
    }

    private static TensorFormatException BrokenStrings(long[] shape, int count) => new(
        $"tensor_content of a string tensor of shape {TensorShape.Text(shape)} does not hold {count} strings; use string_val.");
}

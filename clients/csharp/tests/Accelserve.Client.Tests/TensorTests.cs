using System.Numerics;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Tensorflow;

namespace Accelserve.Client.Tests;

/// <summary>Tensors as TensorFlow's runtime reads them.</summary>
public sealed class TensorTests
{
    public static TheoryData<string, TensorProto, Array> Encodings { get; } = new()
    {
        { "content", Content(DataType.DtFloat, [1f, 2f], 2), new[] { 1f, 2f } },
        { "field", new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape(2), FloatVal = { 1, 2 } }, new[] { 1f, 2f } },
        { "last value repeated", new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape(4), FloatVal = { 1, 2 } }, new[] { 1f, 2f, 2f, 2f } },
        { "no value: zeros", new TensorProto { Dtype = DataType.DtInt32, TensorShape = Shape(3) }, new[] { 0, 0, 0 } },
        { "too many are cut off", new TensorProto { Dtype = DataType.DtDouble, TensorShape = Shape(1), DoubleVal = { 1, 2 } }, new[] { 1.0 } },
        { "content wins", new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape(1), FloatVal = { 9 }, TensorContent = ByteString.CopyFrom(BitConverter.GetBytes(3f)) }, new[] { 3f } },
        { "scalar", new TensorProto { Dtype = DataType.DtInt64, TensorShape = Shape(), Int64Val = { 5 } }, new[] { 5L } },
        { "no shape is a scalar", new TensorProto { Dtype = DataType.DtInt64, Int64Val = { 5 } }, new[] { 5L } },
        { "empty", new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape(0, 3) }, Array.Empty<float>() },
        { "uint8", new TensorProto { Dtype = DataType.DtUint8, TensorShape = Shape(2), IntVal = { 0, 255 } }, new byte[] { 0, 255 } },
        { "int8", new TensorProto { Dtype = DataType.DtInt8, TensorShape = Shape(2), IntVal = { -128, 127 } }, new sbyte[] { -128, 127 } },
        { "int16", new TensorProto { Dtype = DataType.DtInt16, TensorShape = Shape(1), IntVal = { -5 } }, new short[] { -5 } },
        { "uint16", new TensorProto { Dtype = DataType.DtUint16, TensorShape = Shape(1), IntVal = { 65535 } }, new ushort[] { 65535 } },
        { "uint32", new TensorProto { Dtype = DataType.DtUint32, TensorShape = Shape(1), Uint32Val = { 4_000_000_000 } }, new[] { 4_000_000_000 } },
        { "uint64", new TensorProto { Dtype = DataType.DtUint64, TensorShape = Shape(1), Uint64Val = { ulong.MaxValue } }, new[] { ulong.MaxValue } },
        { "quint8", new TensorProto { Dtype = DataType.DtQuint8, TensorShape = Shape(1), TensorContent = ByteString.CopyFrom(200) }, new byte[] { 200 } },
        { "bool", new TensorProto { Dtype = DataType.DtBool, TensorShape = Shape(2), BoolVal = { true, false } }, new[] { true, false } },
        { "any byte but 0 is true", new TensorProto { Dtype = DataType.DtBool, TensorShape = Shape(3), TensorContent = ByteString.CopyFrom(0, 1, 7) }, new[] { false, true, true } },
        { "bfloat16", new TensorProto { Dtype = DataType.DtBfloat16, TensorShape = Shape(3), HalfVal = { 0x3F80, 0xC000 } }, new[] { 1f, -2f, -2f } },
        { "bfloat16 content", new TensorProto { Dtype = DataType.DtBfloat16, TensorShape = Shape(1), TensorContent = ByteString.CopyFrom(0x80, 0x3F) }, new[] { 1f } },
        { "half", new TensorProto { Dtype = DataType.DtHalf, TensorShape = Shape(2), HalfVal = { 0x3C00, 0x0001 } }, new[] { 1f, 5.9604644775390625e-8f } },
        { "half content", new TensorProto { Dtype = DataType.DtHalf, TensorShape = Shape(1), TensorContent = ByteString.CopyFrom(0x00, 0xC0) }, new[] { -2f } },
        { "complex64", new TensorProto { Dtype = DataType.DtComplex64, TensorShape = Shape(2), ScomplexVal = { 1, 2, 3 } }, new[] { new Complex(1, 2), new Complex(1, 2) } },
        { "complex128", new TensorProto { Dtype = DataType.DtComplex128, TensorShape = Shape(1), DcomplexVal = { 1, 2 } }, new[] { new Complex(1, 2) } },
        { "strings", new TensorProto { Dtype = DataType.DtString, TensorShape = Shape(1), StringVal = { ByteString.CopyFromUtf8("a") } }, new[] { ByteString.CopyFromUtf8("a") } },
        { "strings in content", new TensorProto { Dtype = DataType.DtString, TensorShape = Shape(2), TensorContent = ByteString.CopyFrom([1, 2, (byte)'a', (byte)'b', (byte)'c']) }, new[] { ByteString.CopyFromUtf8("a"), ByteString.CopyFromUtf8("bc") } },
    };

    public static TheoryData<string, TensorProto, string> Broken { get; } = new()
    {
        { "unknown rank", new TensorProto { Dtype = DataType.DtFloat, TensorShape = new TensorShapeProto { UnknownRank = true } }, "unknown_rank" },
        { "negative", new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape(2, -1) }, "[2, -1]" },
        { "overflow", new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape(1L << 40, 1L << 40) }, "2**63 - 1" },
        { "overflow beside zero", new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape(1L << 40, 1L << 40, 0) }, "2**63 - 1" },
        { "rank", new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape([.. Enumerable.Repeat(1L, 33)]) }, "at most 32 dimensions, got 33" },
        { "too large", new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape(1L << 40) }, "bytes that are allowed" },
        { "content's size", Content(DataType.DtFloat, [1f, 2f], 3), "has 12 bytes of tensor_content, got 8" },
        { "range", new TensorProto { Dtype = DataType.DtUint8, TensorShape = Shape(2), IntVal = { 1, 256 } }, "Element 1 is 256, but DT_UINT8 holds 0 to 255" },
        { "half's range", new TensorProto { Dtype = DataType.DtHalf, TensorShape = Shape(1), HalfVal = { 65536 } }, "DT_HALF holds 0 to 65535" },
        { "number of strings", new TensorProto { Dtype = DataType.DtString, TensorShape = Shape(2), StringVal = { ByteString.Empty } }, "has 2 elements, got 1" },
        { "broken strings", new TensorProto { Dtype = DataType.DtString, TensorShape = Shape(1), TensorContent = ByteString.CopyFrom(9, 1) }, "does not hold 1 strings" },
        { "endless length", new TensorProto { Dtype = DataType.DtString, TensorShape = Shape(1), TensorContent = ByteString.CopyFrom(255, 255, 255, 255, 255, 255) }, "does not hold 1 strings" },
        { "resource", new TensorProto { Dtype = DataType.DtResource, TensorShape = Shape(1) }, "DT_RESOURCE" },
        { "a number without a name", new TensorProto { Dtype = (DataType)77, TensorShape = Shape(1) }, "77" },
    };

    [Theory]
    [MemberData(nameof(Encodings))]
    public void Both_encodings_are_read(string name, TensorProto proto, Array expected)
    {
        var tensor = TensorData.FromProto(proto);
        Assert.Equal(expected.Length, tensor.Count);
        Assert.Equal(expected, Elements(tensor));
        Assert.NotEmpty(name);
    }

    [Theory]
    [MemberData(nameof(Broken))]
    public void Messages_that_are_no_tensors_are_refused(string name, TensorProto proto, string words)
    {
        var exception = Assert.Throws<TensorFormatException>(() => TensorData.FromProto(proto));
        Assert.Contains(words, exception.Message, StringComparison.Ordinal);
        Assert.NotEmpty(name);
    }

    [Fact]
    public void Content_is_seen_and_not_copied()
    {
        var bytes = new byte[1 << 20];
        var proto = new TensorProto
        {
            Dtype = DataType.DtFloat,
            TensorShape = Shape(1 << 18),
            TensorContent = UnsafeByteOperations.UnsafeWrap(bytes),
        };
        var tensor = (TensorData<float>)TensorData.FromProto(proto);
        BitConverter.TryWriteBytes(bytes.AsSpan(4), 7f);
        Assert.Equal(7f, tensor.Span[1]);
    }

    [Fact]
    public void A_typed_field_is_seen_and_not_copied()
    {
        var proto = new TensorProto { Dtype = DataType.DtFloat, TensorShape = Shape(2), FloatVal = { 1, 2 } };
        var tensor = (TensorData<float>)TensorData.FromProto(proto);
        proto.FloatVal[1] = 7;
        Assert.Equal(7f, tensor.Span[1]);
    }

    [Fact]
    public void An_array_is_sent_without_a_copy()
    {
        var elements = new float[1000];
        var proto = TensorData.Create(elements, 10, 100).ToProto();
        elements[3] = 5;
        Assert.Equal(5f, MemoryMarshal.Cast<byte, float>(proto.TensorContent.Span)[3]);
        Assert.Equal([10L, 100L], proto.TensorShape.Dim.Select(static dim => dim.Size));
    }

    [Fact]
    public void Memory_can_be_pinned()
    {
        var tensor = (TensorData<float>)TensorData.FromProto(Content(DataType.DtFloat, [1f, 2f, 3f], 3));
        using var handle = tensor.Memory.Slice(1).Pin();
        Assert.Equal(2f, ReadFirst(handle));

        static float ReadFirst(System.Buffers.MemoryHandle handle)
        {
            IntPtr address;
            unsafe
            {
                address = (IntPtr)handle.Pointer;
            }

            return Marshal.PtrToStructure<float>(address);
        }
    }

    [Fact]
    public void Elements_of_another_type_are_refused()
    {
        var tensor = TensorData.Create(new[] { 1, 2 });
        var exception = Assert.Throws<InvalidCastException>(() => tensor.GetMemory<float>());
        Assert.Equal("The elements of a tensor of DT_INT32 are Int32, not Single.", exception.Message);
        Assert.Throws<ArgumentException>(() => TensorData.Create(new[] { 'a' }));
        Assert.Throws<ArgumentException>(() => TensorData.Create(new[] { 1, 2 }, 3));
        Assert.Throws<ArgumentException>(() => TensorData.Create(new[] { 1, 2 }, -2));
        Assert.Throws<ArgumentException>(() => TensorData.FromBytes(new byte[3], DataType.DtBfloat16, 2));
        Assert.Throws<ArgumentException>(() => TensorData.FromBytes(new byte[3], DataType.DtString, 3));
    }

    [Fact]
    public void Parts_and_shapes_are_views()
    {
        var tensor = TensorData.Create(new[] { 1f, 2f, 3f, 4f, 5f, 6f }, 2, 3);
        Assert.Equal(new[] { 4f, 5f, 6f }, tensor[1].GetMemory<float>().ToArray());
        Assert.Equal([3L], tensor[1].Shape);
        Assert.Equal(6f, tensor[1][2].GetMemory<float>().Span[0]);
        Assert.Equal([3L, 2L], tensor.Reshape(3, 2).Shape);
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor[2]);
        Assert.Throws<InvalidOperationException>(() => TensorData.Scalar(1)[0]);
        Assert.Throws<ArgumentException>(() => tensor.Reshape(4));
        Assert.Equal("DT_FLOAT [2, 3]", tensor.ToString());
    }

    [Fact]
    public void Arrays_have_the_tensors_rank()
    {
        var array = Assert.IsType<float[,]>(TensorData.Create(new[] { 1f, 2f, 3f, 4f, 5f, 6f }, 2, 3).ToArray());
        Assert.Equal(new[,] { { 1f, 2f, 3f }, { 4f, 5f, 6f } }, array);
        Assert.IsType<long[,,,]>(TensorData.Create(new long[24], 1, 2, 3, 4).ToArray());
        var complex = Assert.IsType<Complex[,]>(TensorData.Create(new[] { Complex.One, Complex.ImaginaryOne }, 2, 1).ToArray());
        Assert.Equal(Complex.ImaginaryOne, complex[1, 0]);
        Assert.Throws<InvalidOperationException>(() => TensorData.Scalar(1).ToArray());
    }

    [Fact]
    public void Numbers_become_floats()
    {
        Assert.Equal(new[] { 1f, 0f }, TensorData.Create(new[] { true, false }).ToSingles());
        Assert.Equal(new[] { 255f }, TensorData.Create(new byte[] { 255 }).ToSingles());
        Assert.Equal(new[] { 0.1f }, TensorData.Create(new[] { 0.1 }).ToSingles());
        Assert.Throws<InvalidCastException>(() => TensorData.Strings(["a"]).ToSingles());
    }

#if !NETSTANDARD_BUILD
    [Fact]
    public void Halves_are_halves_and_floats()
    {
        var tensor = TensorData.FromBytes(new byte[] { 0x00, 0x3C }, DataType.DtHalf, 1);
        Assert.Equal((Half)1, tensor.GetMemory<Half>().Span[0]);
        Assert.Equal(1f, tensor.GetMemory<float>().Span[0]);
    }

    [Fact]
    public void Tensor_spans_have_the_shape()
    {
        var span = TensorData.Create(new[] { 1f, 2f, 3f, 4f, 5f, 6f }, 2, 3).AsTensorSpan();
        Assert.Equal([2, 3], span.Lengths.ToArray());
        Assert.Equal(6f, span[1, 2]);
        Assert.Equal(1, (int)TensorData.Scalar(4).AsTensorSpan().FlattenedLength);
    }
#endif

    /// <summary>Whatever the element type, by way of the public methods.</summary>
    internal static Array Elements(TensorData tensor) => tensor.DataType == DataType.DtHalf
        ? tensor.GetMemory<float>().ToArray()
        : tensor.Reshape(tensor.Count).ToArray();

    private static TensorProto Content(DataType type, float[] values, params long[] shape) => new()
    {
        Dtype = type,
        TensorShape = Shape(shape),
        TensorContent = ByteString.CopyFrom(MemoryMarshal.AsBytes(values.AsSpan())),
    };

    private static TensorShapeProto Shape(params long[] sizes) => new()
    {
        Dim = { sizes.Select(static size => new TensorShapeProto.Types.Dim { Size = size }) },
    };
}

using CsCheck;
using Google.Protobuf;
using Tensorflow;

namespace Accelserve.Client.Tests;

/// <summary>What holds for every tensor.</summary>
public sealed class TensorProperties
{
    private static readonly Gen<long[]> _shapes = Gen.Long[0, 5].Array[0, 4];

    [Fact]
    public void What_is_written_is_read_back()
    {
        Holds(Gen.Float, DataType.DtFloat);
        Holds(Gen.Double, DataType.DtDouble);
        Holds(Gen.Int, DataType.DtInt32);
        Holds(Gen.UInt, DataType.DtUint32);
        Holds(Gen.Long, DataType.DtInt64);
        Holds(Gen.ULong, DataType.DtUint64);
        Holds(Gen.Byte, DataType.DtUint8);
        Holds(Gen.SByte, DataType.DtInt8);
        Holds(Gen.Short, DataType.DtInt16);
        Holds(Gen.UShort, DataType.DtUint16);
        Holds(Gen.Bool, DataType.DtBool);
        Holds(Gen.Byte.Array.Select(static bytes => ByteString.CopyFrom(bytes)), DataType.DtString);

        static void Holds<T>(Gen<T> elements, DataType type) => TensorsOf(elements).Sample(tensor =>
        {
            var bytes = tensor.ToProto().ToByteArray();
            var read = (TensorData<T>)TensorData.FromProto(TensorProto.Parser.ParseFrom(bytes));
            Assert.Equal(type, read.DataType);
            Assert.Equal(tensor.Shape, read.Shape);
            Assert.Equal(tensor.Memory.ToArray(), read.Memory.ToArray());
        });
    }

    /// <summary>Both encodings, with as many values as may be left out at the end.</summary>
    [Fact]
    public void Typed_fields_mean_what_content_means() => TensorsOf(Gen.Float).Sample(static tensor =>
    {
        var typed = new TensorProto { Dtype = DataType.DtFloat, TensorShape = tensor.ToProto().TensorShape };
        var values = tensor.Memory.ToArray();
        var count = values.Length;
        while (count > 1 && BitConverter.SingleToInt32Bits(values[count - 1]) == BitConverter.SingleToInt32Bits(values[count - 2]))
        {
            count--;
        }

        typed.FloatVal.AddRange(values.Take(count));
        Assert.Equal(values, TensorData.FromProto(typed).GetMemory<float>().ToArray());
    });

    [Fact]
    public void Arrays_have_every_element_in_its_place() => TensorsOf(Gen.Float).Where(static tensor => tensor.Shape.Count > 0).Sample(static tensor =>
    {
        var array = tensor.ToArray();
        Assert.Equal(tensor.Shape.Count, array.Rank);
        Assert.Equal(tensor.Memory.ToArray(), array.Cast<float>());
    });

    /// <summary>The judge is the runtime's own Half.</summary>
    [Fact]
    public void Halves_are_narrowed_and_widened_as_the_runtime_does()
    {
        for (var bits = 0; bits <= ushort.MaxValue; bits++)
        {
            Assert.Equal((float)BitConverter.UInt16BitsToHalf((ushort)bits), Bits16.FromHalf((ushort)bits));
        }

        Gen.UInt.Select(static bits => BitConverter.UInt32BitsToSingle(bits)).Sample(static value =>
            Assert.Equal((Half)value, BitConverter.UInt16BitsToHalf(Bits16.HalfOf(value))));
        Gen.Float[-70000f, 70000f].Sample(static value =>
            Assert.Equal(BitConverter.HalfToUInt16Bits((Half)value), Bits16.HalfOf(value)));
        Gen.Float[-1e-4f, 1e-4f].Sample(static value =>
            Assert.Equal(BitConverter.HalfToUInt16Bits((Half)value), Bits16.HalfOf(value)));
    }

    /// <summary>The nearest of the two neighbours, and the even one when both are as near.</summary>
    [Fact]
    public void Bfloats_are_narrowed_to_the_nearest_even()
    {
        Gen.Float.Where(static value => !float.IsNaN(value)).Sample(static value =>
        {
            var narrow = Bits16.BfloatOf(value);
            var below = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
            var rest = BitConverter.SingleToUInt32Bits(value) & 0xFFFF;
            var up = rest > 0x8000 || (rest == 0x8000 && (below & 1) == 1);
            Assert.Equal(up ? below + 1 : below, narrow);
        });
        Assert.True(float.IsNaN(Bits16.FromBfloat(Bits16.BfloatOf(float.NaN))));
    }

    /// <summary>Bytes of any kind are a tensor or are refused with a sentence; nothing else happens.</summary>
    [Fact]
    public void Wild_messages_are_read_or_refused() =>
        Gen.Select(
            Gen.Int[-2, 35],
            Gen.OneOf(Gen.Long[-2, 9], Gen.Long, Gen.Long[0, 3]).Array[0, 5],
            Gen.Byte.Array[0, 40],
            Gen.Int.Array[0, 6],
            Gen.Float.Array[0, 6]).Sample(static (type, sizes, content, integers, floats) =>
        {
            var proto = new TensorProto { Dtype = (DataType)type, TensorShape = new TensorShapeProto(), TensorContent = ByteString.CopyFrom(content) };
            proto.TensorShape.Dim.AddRange(sizes.Select(static size => new TensorShapeProto.Types.Dim { Size = size }));
            proto.IntVal.AddRange(integers);
            proto.HalfVal.AddRange(integers);
            proto.FloatVal.AddRange(floats);
            proto.ScomplexVal.AddRange(floats);
            proto.StringVal.AddRange(integers.Select(static each => ByteString.CopyFromUtf8($"{each}")));
            try
            {
                var tensor = TensorData.FromProto(proto, 1 << 16);
                Assert.Equal(sizes.Aggregate(1L, static (product, size) => product * size), tensor.Count);
                Assert.Equal(tensor.Count, TensorTests.Elements(tensor).Length);
            }
            catch (TensorFormatException exception)
            {
                Assert.NotEmpty(exception.Message);
            }
        });

    private static Gen<TensorData<T>> TensorsOf<T>(Gen<T> elements) => _shapes.SelectMany(shape =>
    {
        var count = (int)shape.Aggregate(1L, static (product, size) => product * size);
        return elements.Array[count].Select(values =>
            shape.Length == 0 ? TensorData.Scalar(values[0]) : TensorData.Create(values, shape));
    });
}

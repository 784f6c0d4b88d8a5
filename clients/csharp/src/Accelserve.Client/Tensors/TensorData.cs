using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using Google.Protobuf;
using Tensorflow;

namespace Accelserve.Client;

/// <summary>A tensor: a shape, an element type, and elements in row-major order. Immutable, and safe to use from any
/// thread, as long as nobody changes the memory or the message that it was made of.</summary>
/// <remarks>
/// <para>Elements that came from a server are seen where the message holds them, not copied.</para>
/// <para>Element types: <c>float</c>, <c>double</c>, the integers of 8 to 64 bits (quantised ones as plain integers),
/// <c>bool</c>, <see cref="ByteString"/> for DT_STRING, <see cref="Complex"/> for both complex types. DT_HALF is
/// <c>System.Half</c> where .NET has it and <c>float</c> on .NET Standard; DT_BFLOAT16 is <c>float</c>, which holds each
/// exactly.</para>
/// </remarks>
public abstract class TensorData
{
    private readonly long[] _shape;

    private protected TensorData(DataType dataType, long[] shape, int count)
    {
        DataType = dataType;
        _shape = shape;
        Count = count;
    }

    /// <summary>TensorFlow's element type.</summary>
    public DataType DataType { get; }

    /// <summary>The dimensions; none for a scalar.</summary>
    public IReadOnlyList<long> Shape => _shape;

    /// <summary>Number of elements.</summary>
    public int Count { get; }

    /// <summary>.NET's element type.</summary>
    public abstract Type ElementType { get; }

    private protected ReadOnlySpan<long> Sizes => _shape;

    /// <summary>A tensor of elements that are already in memory; they are not copied, and must not change while it is
    /// used.</summary>
    /// <typeparam name="T">One of the element types above.</typeparam>
    /// <param name="elements">In row-major order.</param>
    /// <param name="shape">The dimensions; without any the tensor has one, of as many as there are elements.</param>
    /// <exception cref="ArgumentException">No such element type, or another number of elements than the shape has.</exception>
    public static TensorData<T> Create<T>(ReadOnlyMemory<T> elements, params long[] shape)
    {
        var dims = shape is { Length: > 0 } ? (long[])shape.Clone() : [elements.Length];
        var type = ElementTypes.Of(typeof(T));
        RequireCount(dims, elements.Length);
        return new TensorData<T>(type, dims, elements);
    }

    /// <summary>A tensor of an array's elements, which are not copied.</summary>
    /// <inheritdoc cref="Create{T}(ReadOnlyMemory{T}, long[])"/>
    public static TensorData<T> Create<T>(T[] elements, params long[] shape) =>
        Create(new ReadOnlyMemory<T>(elements ?? throw new ArgumentNullException(nameof(elements))), shape);

    /// <summary>A tensor of one element, without dimensions.</summary>
    /// <typeparam name="T">One of the element types above.</typeparam>
    /// <param name="value">The element.</param>
    /// <exception cref="ArgumentException">No such element type.</exception>
    public static TensorData<T> Scalar<T>(T value) => new(ElementTypes.Of(typeof(T)), [], new[] { value });

    /// <summary>A tensor of strings, as UTF-8.</summary>
    /// <param name="strings">In row-major order.</param>
    /// <param name="shape">The dimensions; without any the tensor has one.</param>
    /// <exception cref="ArgumentException">Another number of strings than the shape has.</exception>
    public static TensorData<ByteString> Strings(IEnumerable<string> strings, params long[] shape) =>
        Create(strings.Select(ByteString.CopyFromUtf8).ToArray(), shape);

    /// <summary>A tensor of little-endian bytes, of any element type of fixed size: bfloat16, quantised integers.</summary>
    /// <param name="bytes">Not copied.</param>
    /// <param name="dataType">TensorFlow's element type.</param>
    /// <param name="shape">The dimensions; without any the tensor is a scalar.</param>
    /// <exception cref="ArgumentException">An element type without a fixed size, or another number of bytes than type and
    /// shape ask for.</exception>
    public static TensorData FromBytes(ReadOnlyMemory<byte> bytes, DataType dataType, params long[] shape)
    {
        var dims = (long[])shape.Clone();
        if (ElementTypes.SizeOf(dataType) is not { } size)
        {
            throw new ArgumentException(
                $"Tensors of {ElementTypes.NameOf(dataType)} cannot be made of bytes here.", nameof(dataType));
        }

        var count = TensorShape.Count(dims);
        if ((long)count * size.Element != bytes.Length)
        {
            throw new ArgumentException(
                $"A tensor of shape {TensorShape.Text(dims)} with elements of {size.Element} bytes has {(long)count * size.Element} bytes, got {bytes.Length}.",
                nameof(bytes));
        }

        return TensorReader.FromContent(bytes, dataType, dims, count);
    }

    /// <summary>Reads a message as TensorFlow's runtime does: <c>tensor_content</c> wins over the typed field where it is
    /// not empty; of typed values that are too few the last is repeated, none at all means zeros, and too many are cut
    /// off. Strings are the exception: there must be exactly as many as the shape says.</summary>
    /// <param name="proto">The message; its elements are not copied where its encoding allows it.</param>
    /// <param name="limitBytes">Bytes that the elements may take; checked before they are allocated.</param>
    /// <exception cref="TensorFormatException">The message is no tensor, or one of a type without a .NET type.</exception>
    public static TensorData FromProto(
        TensorProto proto, long limitBytes = PredictionClientOptions.DefaultMaxMessageBytes) =>
        TensorReader.Read(proto ?? throw new ArgumentNullException(nameof(proto)), limitBytes);

    /// <summary>The message for it, with the elements as <c>tensor_content</c>, uncopied (strings as <c>string_val</c>).</summary>
    public abstract TensorProto ToProto();

    /// <summary>The elements, in row-major order.</summary>
    /// <typeparam name="T"><see cref="ElementType"/>; or <c>float</c> for a tensor of halves, which are widened.</typeparam>
    /// <exception cref="InvalidCastException">The elements are of another type.</exception>
    public ReadOnlyMemory<T> GetMemory<T>()
    {
        if (this is TensorData<T> typed)
        {
            return typed.Memory;
        }

        if (typeof(T) == typeof(float) && DataType == DataType.DtHalf)
        {
            return (ReadOnlyMemory<T>)(object)(ReadOnlyMemory<float>)ToSingles();
        }

        throw new InvalidCastException(
            $"The elements of a tensor of {ElementTypes.NameOf(DataType)} are {ElementType.Name}, not {typeof(T).Name}.");
    }

    /// <summary>The elements as <c>float</c>s, rounded where a <c>float</c> cannot hold them; true is 1.</summary>
    /// <returns>A new array.</returns>
    /// <exception cref="InvalidCastException">The elements are strings or complex numbers.</exception>
    public abstract float[] ToSingles();

    /// <summary>A new array of the elements with as many dimensions as the tensor: <c>float[,,]</c> for instance.</summary>
    /// <exception cref="InvalidOperationException">A scalar, or a dimension beyond what arrays have.</exception>
    public abstract Array ToArray();

    /// <summary>The part at a place of the first dimension, without that dimension; nothing is copied.</summary>
    /// <param name="index">From 0.</param>
    /// <exception cref="InvalidOperationException">A scalar.</exception>
    /// <exception cref="ArgumentOutOfRangeException">No such place.</exception>
    public TensorData this[int index]
    {
        get
        {
            if (_shape.Length == 0)
            {
                throw new InvalidOperationException("A scalar has no first dimension.");
            }

            if (index < 0 || index >= _shape[0])
            {
                throw new ArgumentOutOfRangeException(
                    nameof(index), index, $"The first dimension of shape {TensorShape.Text(_shape)} has no such place.");
            }

            var rows = (int)(Count / _shape[0]);
            return Part(index * rows, rows, Sizes.Slice(1).ToArray());
        }
    }

    /// <summary>The same elements in another shape; nothing is copied.</summary>
    /// <param name="shape">The dimensions; none makes a scalar.</param>
    /// <exception cref="ArgumentException">A shape of another number of elements.</exception>
    public TensorData Reshape(params long[] shape)
    {
        var dims = (long[])shape.Clone();
        RequireCount(dims, Count);
        return Part(0, Count, dims);
    }

    /// <summary>Type and shape: <c>DT_FLOAT [1, 1001]</c>.</summary>
    public override string ToString() => $"{ElementTypes.NameOf(DataType)} {TensorShape.Text(_shape)}";

    private protected abstract TensorData Part(int start, int count, long[] shape);

    private static void RequireCount(long[] shape, int count)
    {
        var expected = TensorShape.Count(shape);
        if (expected != count)
        {
            throw new ArgumentException(
                $"Shape {TensorShape.Text(shape)} has {expected} elements, got {count}.", nameof(shape));
        }
    }
}

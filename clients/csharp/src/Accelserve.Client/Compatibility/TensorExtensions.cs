using Tensorflow;

namespace Accelserve.Client.Compatibility;

/// <summary>Tensors as arrays.</summary>
public static class TensorExtensions
{
    /// <summary>A tensor's elements as an array of its rank.</summary>
    /// <typeparam name="T"><c>float[]</c>, <c>float[,]</c>, ... with as many dimensions as the tensor.</typeparam>
    /// <param name="tensorProto">DT_FLOAT, in <c>tensor_content</c> or in <c>float_val</c>.</param>
    /// <returns>A new array.</returns>
    /// <exception cref="InvalidCastException">Another rank or another element type.</exception>
    /// <exception cref="TensorFormatException">The message is no tensor.</exception>
    public static T Convert<T>(this TensorProto tensorProto)
        where T : class
    {
        var tensor = TensorData.FromProto(tensorProto);
        return tensor.ToArray() as T
            ?? throw new InvalidCastException($"A tensor of {tensor} is no {typeof(T).Name}.");
    }
}

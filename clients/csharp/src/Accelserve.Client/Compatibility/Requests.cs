using Google.Protobuf;
using Tensorflow;
using Tensorflow.Serving;

namespace Accelserve.Client.Compatibility;

/// <summary>Something that can be scored.</summary>
public interface IScoringRequest
{
    /// <summary>The message for it; asked for once a call.</summary>
    PredictRequest MakePredictRequest();
}

/// <summary>Encoded images: input "images" unless named, DT_STRING of shape [n], an empty model specification.</summary>
public sealed class ImageRequest : IScoringRequest
{
    private readonly PredictRequest _request = new() { ModelSpec = new ModelSpec() };

    /// <summary>A request for input "images".</summary>
    /// <param name="images">JPEG or PNG files; read here, from where they stand to their end.</param>
    public ImageRequest(params Stream[] images)
        : this("images", images)
    {
    }

    /// <summary>A request for an input by name.</summary>
    /// <param name="inputName">Of the model.</param>
    /// <param name="images">JPEG or PNG files; read here, from where they stand to their end.</param>
    public ImageRequest(string inputName, params Stream[] images)
    {
        var tensor = new TensorProto
        {
            Dtype = DataType.DtString,
            TensorShape = TensorShape.Write([(images ?? throw new ArgumentNullException(nameof(images))).Length]),
        };
        foreach (var image in images)
        {
            tensor.StringVal.Add(ByteString.FromStream(image));
        }

        _request.Inputs.Add(inputName, tensor);
    }

    /// <inheritdoc/>
    public PredictRequest MakePredictRequest() => _request;
}

/// <summary>Arrays of floats by input name: DT_FLOAT by <c>float_val</c>, an empty model specification.</summary>
public sealed class FloatRequest : IScoringRequest
{
    private readonly PredictRequest _request = new() { ModelSpec = new ModelSpec() };

    /// <summary>Inputs of one dimension.</summary>
    /// <param name="inputs">By name.</param>
    public FloatRequest(IDictionary<string, float[]> inputs)
    {
        foreach (var input in inputs ?? throw new ArgumentNullException(nameof(inputs)))
        {
            Add(input.Key, input.Value, [input.Value.Length]);
        }
    }

    /// <summary>Inputs of any shape.</summary>
    /// <param name="inputs">Elements in row-major order, and dimensions, by name.</param>
    public FloatRequest(IDictionary<string, Tuple<float[], int[]>> inputs)
    {
        foreach (var input in inputs ?? throw new ArgumentNullException(nameof(inputs)))
        {
            Add(input.Key, input.Value.Item1, Array.ConvertAll(input.Value.Item2, static size => (long)size));
        }
    }

    /// <inheritdoc/>
    public PredictRequest MakePredictRequest() => _request;

    private void Add(string name, float[] values, long[] shape)
    {
        var tensor = new TensorProto { Dtype = DataType.DtFloat, TensorShape = TensorShape.Write(shape) };
        tensor.FloatVal.AddRange(values);
        _request.Inputs.Add(name, tensor);
    }
}

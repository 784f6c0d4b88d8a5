using Tensorflow.Serving;

namespace Accelserve.Client;

/// <summary>Arguments as messages. No network in here.</summary>
internal static class Requests
{
    public static ModelSpec Spec(CallSettings? settings, PredictionClientOptions options) =>
        (settings?.Model ?? options.Model).ToModelSpec();

    public static PredictRequest Image(ReadOnlyMemory<byte> image, CallSettings? settings, PredictionClientOptions options)
    {
        var request = Empty(settings, options);
        request.Inputs.Add(settings?.InputName ?? options.InputName, TensorWriter.Image(image));
        return request;
    }

    /// <exception cref="ArgumentException">No images.</exception>
    public static PredictRequest Images(
        IEnumerable<ReadOnlyMemory<byte>> images, CallSettings? settings, PredictionClientOptions options)
    {
        var request = Empty(settings, options);
        request.Inputs.Add(
            settings?.InputName ?? options.InputName,
            TensorWriter.Images(images ?? throw new ArgumentNullException(nameof(images))));
        return request;
    }

    public static PredictRequest Tensors(
        IEnumerable<KeyValuePair<string, TensorData>> inputs, CallSettings? settings, PredictionClientOptions options)
    {
        var request = Empty(settings, options);
        foreach (var input in inputs ?? throw new ArgumentNullException(nameof(inputs)))
        {
            request.Inputs.Add(input.Key, input.Value.ToProto());
        }

        return request;
    }

    public static GetModelMetadataRequest Metadata(string field, CallSettings? settings, PredictionClientOptions options)
    {
        var request = new GetModelMetadataRequest { ModelSpec = Spec(settings, options) };
        request.MetadataField.Add(field);
        return request;
    }

    private static PredictRequest Empty(CallSettings? settings, PredictionClientOptions options)
    {
        var request = new PredictRequest { ModelSpec = Spec(settings, options) };
        if (settings?.Outputs is { } outputs)
        {
            request.OutputFilter.Add(outputs);
        }

        return request;
    }
}

using System.Text.Json;
using Google.Protobuf;

namespace Accelserve.Client.Tests;

/// <summary>The judge is the Python client: the same call makes the same bytes. The file is the one that its tests read,
/// <c>tests/data/client_requests.json</c>.</summary>
public sealed class RequestBytesTests
{
    private static readonly JsonDocument _calls =
        JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "client_requests.json")));

    public static TheoryData<string> Names =>
        new(_calls.RootElement.EnumerateArray().Select(call => call.GetProperty("name").GetString()!));

    [Theory]
    [MemberData(nameof(Names))]
    public void The_bytes_are_those_of_the_python_client(string name)
    {
        var call = _calls.RootElement.EnumerateArray().Single(each => each.GetProperty("name").GetString() == name);

        var request = RequestOf(call);

        Assert.Equal(call.GetProperty("request").GetString(), Convert.ToHexString(request.ToByteArray()), ignoreCase: true);
    }

    private static Tensorflow.Serving.PredictRequest RequestOf(JsonElement call)
    {
        var options = new PredictionClientOptions();
        var settings = new CallSettings
        {
            Model = call.TryGetProperty("model", out var model) ? ModelOf(model) : null,
            InputName = call.TryGetProperty("input", out var input) ? input.GetString() : null,
            Outputs = call.TryGetProperty("outputs", out var outputs) ? Texts(outputs) : null,
        };
        if (call.TryGetProperty("images", out var hex))
        {
            var images = Texts(hex).Select(each => new ReadOnlyMemory<byte>(Convert.FromHexString(each))).ToArray();
            return images.Length == 1 ? Requests.Image(images[0], settings, options) : Requests.Images(images, settings, options);
        }

        var shape = call.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
        var tensor = call.TryGetProperty("strings", out var strings)
            ? TensorData.Strings(Texts(strings), shape)
            : Numbers(call.GetProperty("dtype").GetString()!, call.GetProperty("numbers"), shape);
        return Requests.Tensors([new(settings.InputName!, tensor)], settings, options);
    }

    private static ModelSelection ModelOf(JsonElement model) => new()
    {
        Name = Text(model, "name"),
        Version = model.TryGetProperty("version", out var version) ? version.GetInt64() : null,
        VersionLabel = Text(model, "version_label"),
        SignatureName = Text(model, "signature_name"),
    };

    private static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) ? value.GetString()! : "";

    private static string[] Texts(JsonElement array) => [.. array.EnumerateArray().Select(each => each.GetString()!)];

    private static TensorData Numbers(string dtype, JsonElement numbers, long[] shape)
    {
        TensorData Of<T>(Func<JsonElement, T> read) =>
            TensorData.Create(numbers.EnumerateArray().Select(read).ToArray()).Reshape(shape);
        return dtype switch
        {
            "float32" => Of(each => (float)each.GetDouble()),
            "float64" => Of(each => each.GetDouble()),
            "float16" => HalvesOf(numbers).Reshape(shape),
            "int8" => Of(each => each.GetSByte()),
            "uint8" => Of(each => each.GetByte()),
            "int16" => Of(each => each.GetInt16()),
            "uint16" => Of(each => each.GetUInt16()),
            "int32" => Of(each => each.GetInt32()),
            "uint32" => Of(each => each.GetUInt32()),
            "int64" => Of(each => each.GetInt64()),
            "uint64" => Of(each => each.GetUInt64()),
            "bool" => Of(each => each.GetBoolean()),
            _ => throw new ArgumentException(dtype),
        };
    }

    /// <summary>Halves have a type of their own on .NET alone; their bytes make a tensor everywhere.</summary>
    private static TensorData HalvesOf(JsonElement numbers)
    {
        var bytes = numbers.EnumerateArray().SelectMany(each => BitConverter.GetBytes((Half)each.GetDouble())).ToArray();
        return TensorData.FromBytes(bytes, Tensorflow.DataType.DtHalf, bytes.Length / 2);
    }
}

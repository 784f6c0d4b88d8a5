using System.Diagnostics;
using System.Text.Json;

[assembly: AssemblyFixture(typeof(Accelserve.Interop.Tests.World))]

namespace Accelserve.Interop.Tests;

/// <summary>What all tests share: photographs, networks, certificates and one server of the trained network.</summary>
public sealed class World : IAsyncLifetime
{
    private static readonly string _python = Variable("ACCELSERVE_SERVER_PYTHON");
    private static readonly string _script = Path.Combine(SourceFolder(), "python_side.py");

    private Server? _server;

    public static string Folder { get; } = Directory.CreateTempSubdirectory("accelserve-interop-").FullName;

    /// <summary>Compiled code, shared by all servers: the first one's compiling is every other's.</summary>
    public static string Cache => Path.Combine(Folder, "cache");

    public static string Network { get; } = Variable("ACCELSERVE_INTEROP_MODEL_BASE_PATH");

    public static string NetworkName => Path.GetFileName(Network);

    public static string[] NetworkFlags => [$"--model_base_path={Network}", $"--model_name={NetworkName}"];

    internal Server Server => _server ?? throw new InvalidOperationException("Not started.");

    public static IReadOnlyList<string> Photographs =>
        [.. Directory.GetFiles(Path.Combine(Folder, "photographs")).Order(StringComparer.Ordinal)];

    public async ValueTask InitializeAsync()
    {
        await RunPythonAsync(_script, "prepare", Folder);
        _server = await Server.StartAsync(0, NetworkFlags);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        Directory.Delete(Folder, recursive: true);
    }

    /// <summary>The Python client's outputs of each picture, as bits.</summary>
    internal static async Task<IReadOnlyList<Dictionary<string, string>>> ScoredByPythonAsync(
        Server server, string signature, params IEnumerable<string> pictures)
    {
        var printed = await RunPythonAsync([_script, "score", server.Address, signature, .. pictures]);
        return [.. printed.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonSerializer.Deserialize<Dictionary<string, string>>(line)!)];
    }

    internal static async Task<string> RunPythonAsync(params string[] arguments)
    {
        using var process = StartPython(arguments);
        var errors = process.StandardError.ReadToEndAsync();
        var printed = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, await errors);
        return printed;
    }

    internal static Process StartPython(string[] arguments) => Process.Start(new ProcessStartInfo(_python, arguments)
    {
        RedirectStandardError = true,
        RedirectStandardOutput = true,
        Environment = { ["COLUMNS"] = "80" },
    })!;

    private static string Variable(string name) => Environment.GetEnvironmentVariable(name)
        ?? throw new InvalidOperationException($"{name} is not set: run `make test-csharp`.");

    private static string SourceFolder([System.Runtime.CompilerServices.CallerFilePath] string path = "") =>
        Path.GetDirectoryName(path)!;
}

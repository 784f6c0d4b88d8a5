using System.Diagnostics;
using System.IO.Compression;
using System.Reflection;
using System.Xml.Linq;
using Accelserve.Client.Tests.Peers;

namespace Accelserve.Client.Packages;

/// <summary>The packages in their folder; <c>make pack-csharp</c> writes them.</summary>
public sealed class PackageTests : IDisposable
{
    private static readonly string _folder = MetadataOf("PackageFolder");
    private static readonly string _version = MetadataOf("PackageVersion");

    private readonly string _project = Directory.CreateTempSubdirectory("accelserve-").FullName;

    public void Dispose() => Directory.Delete(_project, recursive: true);

    [Fact]
    public async Task An_empty_console_project_installs_it_and_asks_a_server()
    {
        await using var peer = await Peer.StartAsync();
        File.WriteAllText(Path.Combine(_project, "App.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <RestoreAdditionalProjectSources>{_folder}</RestoreAdditionalProjectSources>
                <RestorePackagesPath>packages</RestorePackagesPath>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Accelserve.Client" Version="{_version}" />
              </ItemGroup>
            </Project>
            """);
        File.WriteAllText(Path.Combine(_project, "Program.cs"), """
            await using var client = new Accelserve.Client.PredictionClient(args[0]);
            var prediction = await client.ScoreImageAsync(new byte[] { 1, 2, 3 });
            System.Console.WriteLine($"{prediction.ModelName}: {prediction.Output.GetMemory<long>().Span[0]}");
            """);
        var (code, output) = await RunAsync("run", "--", peer.Address);
        Assert.True(code == 0, output);
        Assert.EndsWith("lengths: 3", output.TrimEnd(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Accelserve.Client")]
    [InlineData("Accelserve.Client.Extensions")]
    public void A_package_has_all_that_an_index_asks_for(string name)
    {
        using var package = ZipFile.OpenRead(Path.Combine(_folder, $"{name}.{_version}.nupkg"));
        var entries = package.Entries.Select(static entry => entry.FullName).ToHashSet(StringComparer.Ordinal);
        foreach (var target in new[] { "netstandard2.0", "net8.0", "net10.0" })
        {
            Assert.Contains($"lib/{target}/{name}.dll", entries);
            Assert.Contains($"lib/{target}/{name}.xml", entries);
        }

        Assert.Contains("README.md", entries);
        Assert.Contains("LICENSE", entries);
        Assert.Contains("icon.png", entries);
        using var stream = package.GetEntry($"{name}.nuspec")!.Open();
        var dependencies = XDocument.Load(stream).Descendants()
            .Where(static element => string.Equals(element.Name.LocalName, "dependency", StringComparison.Ordinal))
            .Select(static element => (string?)element.Attribute("id"));
        Assert.DoesNotContain(dependencies, static id => id is "Grpc.Tools" or "PolySharp" || id!.Contains("Analyzer", StringComparison.Ordinal));

        using var symbols = ZipFile.OpenRead(Path.Combine(_folder, $"{name}.{_version}.snupkg"));
        Assert.Contains(symbols.Entries, entry => string.Equals(entry.FullName, $"lib/net10.0/{name}.pdb", StringComparison.Ordinal));
    }

    private async Task<(int Code, string Output)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = _project,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        // Properties of the build that runs these tests are none of the user's project.
        start.Environment.Remove("CI");
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, output + await errors);
    }

    private static string MetadataOf(string key) =>
        typeof(PackageTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(attribute => string.Equals(attribute.Key, key, StringComparison.Ordinal)).Value!;
}

using System.Diagnostics;

namespace Accelserve.Client.Packages;

/// <summary>A user's project in an empty folder, which installs the packages that <c>make pack-csharp</c> wrote.</summary>
internal sealed class UserProject : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("accelserve-").FullName;

    /// <summary>Writes the project file.</summary>
    /// <param name="sdk">Microsoft.NET.Sdk, or another.</param>
    /// <param name="properties">XML of further properties.</param>
    /// <param name="packages">What it installs: names and versions.</param>
    public UserProject(string sdk, string properties, params (string Name, string Version)[] packages) =>
        Write("App.csproj", $"""
            <Project Sdk="{sdk}">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <RestoreAdditionalProjectSources>{Build.PackageFolder}</RestoreAdditionalProjectSources>
                <RestorePackagesPath>packages</RestorePackagesPath>
                {properties}
              </PropertyGroup>
              <ItemGroup>
                {string.Join("\n    ", packages.Select(static each => $"<PackageReference Include=\"{each.Name}\" Version=\"{each.Version}\" />"))}
              </ItemGroup>
            </Project>
            """);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public void Write(string path, string text) => File.WriteAllText(PathOf(path), text);

    public void Write(string path, byte[] bytes) => File.WriteAllBytes(PathOf(path), bytes);

    /// <summary>Runs <c>dotnet</c> in the project's folder.</summary>
    public async Task<(int Code, string Output, string Errors)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = _folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        // Properties of the build that runs these tests are none of the user's project.
        start.Environment.Remove("CI");
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["Logging__LogLevel__Default"] = "None";
        start.Environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, output, await errors);
    }

    private string PathOf(string path)
    {
        var full = Path.Combine(_folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        return full;
    }
}
